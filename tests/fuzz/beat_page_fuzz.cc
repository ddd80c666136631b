// The heartbeat page: whatever a client may write into it, as the guardian reads it. The same bytes
// also go through Escape() alone, where they can be longer than a note.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "node/os/beat_page.h"
#include "proto/support/escape.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_oracle.h"

namespace procctl::fuzz {
namespace {

void CheckEscape(std::string_view bytes) {
  const std::string once = Escape(bytes);
  PROCCTL_MUST(IsSafe(once));
  PROCCTL_MUST(once.size() <= 4 * bytes.size());
  // Nothing is lost, and no two notes look alike.
  PROCCTL_MUST(Unescape(once) == bytes);
  // What prints text that came over a wire changes nothing in text that was escaped at its source.
  PROCCTL_MUST(Printable(once) == once);
  const bool plain = IsPrintableAscii(bytes) && bytes.find('\\') == std::string_view::npos;
  PROCCTL_MUST(!plain || once == bytes);

  const std::string printable = Printable(bytes);
  PROCCTL_MUST(IsSafe(printable));
  PROCCTL_MUST(Printable(printable) == printable);
  PROCCTL_MUST(!IsSafe(bytes) || printable == bytes);
}

// The two ends of one page, made once: the guardian's, and the client's that writes it.
struct Page {
  node::UniqueFd client_fd;
  absl::StatusOr<node::BeatPage> guardian = node::BeatPage::Create(&client_fd);
};

}  // namespace
}  // namespace procctl::fuzz

// The page from its first byte on; the rest of it is zero.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  static const Page page;
  PROCCTL_MUST(page.guardian.ok());
  std::string bytes(PROCCTL_PAGE_BYTES, '\0');
  std::memcpy(bytes.data(), data, std::min(size, bytes.size()));
  PROCCTL_MUST(pwrite(page.client_fd.get(), bytes.data(), bytes.size(), 0) ==
               static_cast<ssize_t>(bytes.size()));
  // However it is written, it cannot be made to fault under the guardian.
  PROCCTL_MUST(ftruncate(page.client_fd.get(), static_cast<off_t>(size % PROCCTL_PAGE_BYTES)) != 0);

  procctl_page written;
  std::memcpy(&written, bytes.data(), sizeof written);
  PROCCTL_MUST(page.guardian->beats() == written.beats);
  PROCCTL_MUST(page.guardian->flags() == written.flags);
  const std::string note = page.guardian->note();
  const std::string_view room(written.note, sizeof written.note);
  PROCCTL_MUST(note == room.substr(0, room.find('\0')));
  CheckEscape(note);
  CheckEscape(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
