#include "cli/output_text.h"

#include <utility>

#include "proto/support/escape.h"

namespace procctl::cli {
namespace {

// Bytes at the end of `text` that begin a UTF-8 character and do not end it.
size_t Unfinished(std::string_view text) {
  constexpr size_t kLongest = 4;
  for (size_t n = 1; n <= text.size() && n < kLongest; ++n) {
    const auto byte = static_cast<unsigned char>(text[text.size() - n]);
    if ((byte & 0xc0U) == 0x80U) continue;  // goes on with what is before it
    const size_t length = byte > 0xf4U    ? 1
                          : byte >= 0xf0U ? 4
                          : byte >= 0xe0U ? 3
                          : byte >= 0xc2U ? 2
                                          : 1;
    return length > n ? n : 0;
  }
  return 0;
}

std::string Safe(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find_first_of("\n\t");
    out += Printable(text.substr(0, end));
    if (end == std::string_view::npos) break;
    out += text[end];
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

std::string OutputText::Add(std::string_view bytes) {
  kept_ += bytes;
  const size_t cut = kept_.size() - Unfinished(kept_);
  std::string out = Safe(std::string_view(kept_).substr(0, cut));
  kept_.erase(0, cut);
  return out;
}

std::string OutputText::Rest() { return Safe(std::exchange(kept_, "")); }

}  // namespace procctl::cli
