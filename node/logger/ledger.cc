#include "node/logger/ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "node/os/unique_fd.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::logger {

struct Ledger::Page {
  std::atomic<int64_t> taken;
  std::atomic<int64_t> settled;
};

absl::StatusOr<std::shared_ptr<Ledger>> Ledger::Open(const std::string& path, int64_t* died) {
  const auto failed = [&](const char* call) {
    return absl::UnavailableError(fmt::format("{} {}: {}", call, path, std::strerror(errno)));
  };
  const node::UniqueFd fd(
      open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd) return failed("open");
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return failed("stat");
  if (!S_ISREG(facts.st_mode))
    return absl::FailedPreconditionError(fmt::format("{} is no regular file", path));
  // Its room is taken now: a page that a full file system cannot give is SIGBUS later.
  if (const int error = posix_fallocate(fd.get(), 0, sizeof(Page)); error != 0) {
    errno = error;
    return failed("allocate");
  }
  void* const memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return failed("map");
  auto* const page = static_cast<Page*>(memory);
  *died = page->taken - page->settled;
  if (*died < 0) {
    // No logger wrote that.
    *died = 0;
    page->taken = 0;
    page->settled = 0;
  }
  return std::shared_ptr<Ledger>(new Ledger(page));
}

Ledger::~Ledger() { (void)munmap(page_, sizeof(Page)); }

// Taken before settled, in every order in which a SIGKILL can cut them.
void Ledger::Take(size_t bytes) { page_->taken += static_cast<int64_t>(bytes); }

void Ledger::Settle(int64_t bytes) { page_->settled += bytes; }

}  // namespace procctl::logger
