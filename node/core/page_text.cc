#include "node/core/page_text.h"

namespace procctl::node {
namespace {

// Byte by byte and each once: the client may write at any time.
template <size_t N>
std::string TextOf(const char (&field)[N]) {
  std::string text;
  for (const char& byte : field) {
    const char c = __atomic_load_n(&byte, __ATOMIC_RELAXED);
    if (c == '\0') break;
    text += c;
  }
  return text;
}

}  // namespace

std::string NoteOf(const procctl_page& page) { return TextOf(page.note); }
std::string PhaseOf(const procctl_page& page) { return TextOf(page.phase); }

}  // namespace procctl::node
