#include "node/os/beat_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

absl::Status Failed(const char* call) {
  return absl::ResourceExhaustedError(fmt::format("{}: {}", call, std::strerror(errno)));
}

}  // namespace

absl::StatusOr<BeatPage> BeatPage::Create(UniqueFd* client_fd) {
  UniqueFd fd(memfd_create("procctl-heart", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return Failed("memfd_create");
  procctl_page head{};
  head.magic = PROCCTL_PAGE_MAGIC;
  head.version = PROCCTL_PAGE_VERSION;
  if (ftruncate(fd.get(), PROCCTL_PAGE_BYTES) != 0) return Failed("ftruncate");
  if (pwrite(fd.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head))
    return Failed("pwrite");
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return Failed("seal");
  void* map = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) return Failed("mmap");
  *client_fd = std::move(fd);
  return BeatPage(static_cast<const procctl_page*>(map));
}

BeatPage::~BeatPage() {
  if (page_ != nullptr) munmap(const_cast<procctl_page*>(page_), PROCCTL_PAGE_BYTES);
}

BeatPage::BeatPage(BeatPage&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}

BeatPage& BeatPage::operator=(BeatPage&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

std::string BeatPage::note() const {
  std::string note;
  for (size_t i = 0; i < PROCCTL_NOTE_BYTES; ++i) {
    const char c = __atomic_load_n(&page_->note[i], __ATOMIC_RELAXED);
    if (c == '\0') break;
    note += c;
  }
  return note;
}

}  // namespace procctl::node
