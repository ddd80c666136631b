#include "node/logger/ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::logger {
namespace {

constexpr uint64_t kFree = 0;
constexpr uint64_t kLeft = 1;
constexpr size_t kMapped = LedgerBook::kMostRows * sizeof(Ledger::Row);

static_assert(std::atomic<int64_t>::is_always_lock_free, "shared with another process");

// FNV-1a: the same in every logger.
uint64_t KeyOf(std::string_view name) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return std::max<uint64_t>(hash, kLeft + 1);
}

absl::Status Failed(const char* call, const std::string& path) {
  return absl::UnavailableError(fmt::format("{} {}: {}", call, path, std::strerror(errno)));
}

}  // namespace

Ledger::~Ledger() {
  uint64_t left = kLeft;
  (void)row_->key.compare_exchange_strong(left, kFree);  // else it is the next logger's
}

// Taken before settled, in every order in which a SIGKILL can cut them.
void Ledger::Take(size_t bytes) { row_->taken += static_cast<int64_t>(bytes); }

void Ledger::Settle(int64_t bytes) { row_->settled += bytes; }

void Ledger::Leave() { row_->key = kLeft; }

absl::StatusOr<std::shared_ptr<LedgerBook>> LedgerBook::Open(const std::string& path) {
  node::UniqueFd fd(
      open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd) return Failed("open", path);
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return Failed("stat", path);
  if (!S_ISREG(facts.st_mode))
    return absl::FailedPreconditionError(fmt::format("{} is no regular file", path));
  void* const memory = mmap(nullptr, kMapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return Failed("map", path);
  auto* const rows = static_cast<Ledger::Row*>(memory);
  const size_t count =
      std::min(static_cast<size_t>(facts.st_size) / sizeof(Ledger::Row), kMostRows);
  // Those who wrote for them are gone too.
  for (size_t i = 0; i < count; ++i) {
    if (rows[i].key == kLeft) rows[i].key = kFree;
  }
  return std::shared_ptr<LedgerBook>(new LedgerBook(path, std::move(fd), rows, count));
}

LedgerBook::~LedgerBook() { (void)munmap(rows_, kMapped); }

absl::StatusOr<std::shared_ptr<Ledger>> LedgerBook::Find(std::string_view name, int64_t* died) {
  *died = 0;
  const uint64_t key = KeyOf(name);
  Ledger::Row* free = nullptr;
  for (size_t i = 0; i < count_; ++i) {
    Ledger::Row* const row = &rows_[i];
    if (row->key == key) {
      *died = row->taken - row->settled;
      if (*died < 0) {
        // No logger wrote that.
        *died = 0;
        row->taken = 0;
        row->settled = 0;
      }
      return std::make_shared<Ledger>(shared_from_this(), row);
    }
    if (free == nullptr && row->key == kFree) free = row;
  }
  if (free == nullptr) {
    if (count_ == kMostRows)
      return absl::ResourceExhaustedError(fmt::format("{}: over {} programs", path_, kMostRows));
    // Its room is taken now: a page that a full file system cannot give is SIGBUS later.
    const int error = posix_fallocate(fd_.get(), static_cast<off_t>(count_ * sizeof(Ledger::Row)),
                                      sizeof(Ledger::Row));
    if (error != 0) {
      errno = error;
      return Failed("allocate", path_);
    }
    free = &rows_[count_++];
  }
  free->taken = 0;
  free->settled = 0;
  free->key = key;
  return std::make_shared<Ledger>(shared_from_this(), free);
}

}  // namespace procctl::logger
