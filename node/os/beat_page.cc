#include "node/os/beat_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "node/core/page_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

absl::Status Failed(const char* call) {
  return absl::ResourceExhaustedError(fmt::format("{}: {}", call, std::strerror(errno)));
}

}  // namespace

absl::StatusOr<BeatPage> BeatPage::Create(UniqueFd* client_fd) {
  UniqueFd fd(memfd_create(kBeatPageName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return Failed("memfd_create");
  procctl_page head{};
  head.magic = PROCCTL_PAGE_MAGIC;
  head.version = PROCCTL_PAGE_VERSION;
  if (ftruncate(fd.get(), PROCCTL_PAGE_BYTES) != 0) return Failed("ftruncate");
  if (pwrite(fd.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head))
    return Failed("pwrite");
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return Failed("seal");
  struct stat s {};
  if (fstat(fd.get(), &s) != 0) return Failed("fstat");
  void* map = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) return Failed("mmap");
  *client_fd = std::move(fd);
  return BeatPage(static_cast<const procctl_page*>(map), {s.st_dev, s.st_ino});
}

absl::StatusOr<BeatPage> BeatPage::Reopen(UniqueFd fd, PageId id) {
  struct stat s {};
  if (fstat(fd.get(), &s) != 0) return Failed("fstat");
  // Only a memfd can have the seal; without it a read could fault.
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (PageId{s.st_dev, s.st_ino} != id || !S_ISREG(s.st_mode) || s.st_size != PROCCTL_PAGE_BYTES ||
      seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return absl::FailedPreconditionError(
        fmt::format("descriptor of {}:{}, {} bytes, seals {}, is not the heartbeat page {}:{}",
                    s.st_dev, s.st_ino, s.st_size, seals, id.dev, id.ino));
  }
  void* map = mmap(nullptr, PROCCTL_PAGE_BYTES, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) return Failed("mmap");
  BeatPage page(static_cast<const procctl_page*>(map), id);
  const uint64_t magic = __atomic_load_n(&page.page_->magic, __ATOMIC_RELAXED);
  const uint32_t version = __atomic_load_n(&page.page_->version, __ATOMIC_RELAXED);
  if (magic != PROCCTL_PAGE_MAGIC || version != PROCCTL_PAGE_VERSION) {
    return absl::FailedPreconditionError(
        fmt::format("heartbeat page {}:{} was overwritten: magic {:x}, version {}", id.dev, id.ino,
                    magic, version));
  }
  return page;
}

BeatPage::~BeatPage() {
  if (page_ != nullptr) munmap(const_cast<procctl_page*>(page_), PROCCTL_PAGE_BYTES);
}

BeatPage::BeatPage(BeatPage&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)), id_(other.id_) {}

BeatPage& BeatPage::operator=(BeatPage&& other) noexcept {
  std::swap(page_, other.page_);
  std::swap(id_, other.id_);
  return *this;
}

std::string BeatPage::note() const { return NoteOf(*page_); }

std::string BeatPage::phase() const { return PhaseOf(*page_); }

}  // namespace procctl::node
