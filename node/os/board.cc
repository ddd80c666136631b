#include "node/os/board.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "node/os/unique_fd.h"
#include "proto/support/logging.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr uint64_t kMagic = 0x70726f6362726431;  // "procbrd1" read as a big-endian number
// To be raised when a field of HeartCell or HeartHistory changes its meaning but not its size.
constexpr uint32_t kVersion = 1;
constexpr size_t kBootIdBytes = 36;

struct alignas(64) Header {
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t cell_bytes = sizeof(HeartCell);
  uint32_t history_bytes = sizeof(HeartHistory);
  uint32_t reserved = 0;
  uint64_t capacity = 0;
  char boot_id[kBootIdBytes + 1] = {};
  uint8_t padding[128 - 32 - kBootIdBytes - 1] = {};
};
static_assert(sizeof(Header) == 128);
// Zeroed memory is a free cell and nobody's history, and a copy of the bytes is a copy.
static_assert(std::is_trivially_copyable_v<HeartCell>);
static_assert(std::is_trivially_copyable_v<HeartHistory>);

size_t BytesFor(size_t capacity) {
  return sizeof(Header) + capacity * (sizeof(HeartCell) + sizeof(HeartHistory));
}

HeartCell* CellsOf(void* map) {
  return reinterpret_cast<HeartCell*>(static_cast<char*>(map) + sizeof(Header));
}

HeartHistory* HistoriesOf(void* map, size_t capacity) {
  return reinterpret_cast<HeartHistory*>(static_cast<char*>(map) + sizeof(Header) +
                                         capacity * sizeof(HeartCell));
}

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  const std::string text = fmt::format("{} {}: {}", what, path, std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ENOENT:
      return absl::NotFoundError(text);
    default:
      return absl::InternalError(text);
  }
}

// 0, or an errno value. Claims what is missing; keeps what is there.
int Claim(int fd, size_t bytes) {
  int error = 0;
  do {
    error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  return error;
}

void* Map(int fd, size_t bytes) {
  void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return map == MAP_FAILED ? nullptr : map;
}

bool InMemory(int fd) {
  struct statfs s {};
  if (fstatfs(fd, &s) != 0) return false;
  const auto type = static_cast<uint64_t>(s.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

// The capacity of the board behind `fd`; nullopt if it is none to believe.
std::optional<size_t> Believe(int fd, std::string_view boot_id) {
  struct stat s {};
  if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_uid != geteuid()) return std::nullopt;
  // Somebody else could have written what we are about to count on.
  if ((s.st_mode & 022) != 0) return std::nullopt;
  Header header;
  if (pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header))
    return std::nullopt;
  const std::string_view written(header.boot_id, strnlen(header.boot_id, sizeof header.boot_id));
  if (header.magic != kMagic || header.version != kVersion ||
      header.cell_bytes != sizeof(HeartCell) || header.history_bytes != sizeof(HeartHistory) ||
      written != boot_id || header.capacity == 0 || header.capacity > Board::kMostCells) {
    return std::nullopt;
  }
  const auto capacity = static_cast<size_t>(header.capacity);
  if (static_cast<size_t>(s.st_size) != BytesFor(capacity)) return std::nullopt;
  return capacity;
}

}  // namespace

absl::StatusOr<Board> Board::Open(const std::string& path, std::string_view boot_id,
                                  size_t capacity) {
  if (capacity == 0 || capacity > kMostCells) {
    return absl::InvalidArgumentError(
        fmt::format("a board of {} cells; it has 1 to {}", capacity, kMostCells));
  }
  if (boot_id.size() > kBootIdBytes) {
    return absl::InvalidArgumentError(
        fmt::format("a boot id of {} bytes; it has at most {}", boot_id.size(), kBootIdBytes));
  }
  // O_NONBLOCK: a FIFO of that name must not hold up the start.
  const UniqueFd old_fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  const std::optional<size_t> old_capacity =
      old_fd ? Believe(old_fd.get(), boot_id) : std::optional<size_t>();
  std::optional<Board> old;
  if (old_capacity) {
    // A no-op unless somebody punched holes or copied the file sparsely.
    if (const int error = Claim(old_fd.get(), BytesFor(*old_capacity)); error != 0)
      return Failed("claim", path, error);
    void* map = Map(old_fd.get(), BytesFor(*old_capacity));
    if (map == nullptr) return Failed("map", path, errno);
    old = Board(map, *old_capacity, true, InMemory(old_fd.get()));
    if (*old_capacity >= capacity) {
      for (HeartCell& cell : old->cells()) cell.page = nullptr;
      return *std::move(old);
    }
  }

  const std::string fresh_path = path + ".new";
  (void)unlink(fresh_path.c_str());  // left by one killed right here; anything else shows below
  const UniqueFd fd(
      open(fresh_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Failed("create", fresh_path, errno);
  const auto give_up = [&fresh_path](std::string_view what, int error) {
    (void)unlink(fresh_path.c_str());  // the error that counts is the one told
    return Failed(what, fresh_path, error);
  };
  // Whatever the umask is: the next guardian must be able to open it.
  if (fchmod(fd.get(), 0600) != 0) return give_up("chmod", errno);
  if (const int error = Claim(fd.get(), BytesFor(capacity)); error != 0)
    return give_up("claim", error);
  void* map = Map(fd.get(), BytesFor(capacity));
  if (map == nullptr) return give_up("map", errno);
  Board fresh(map, capacity, old.has_value(), InMemory(fd.get()));
  auto* header = new (map) Header;
  header->capacity = capacity;
  std::memcpy(header->boot_id, boot_id.data(), boot_id.size());
  if (old) {
    std::ranges::copy(old->cells(), fresh.cells().begin());
    std::ranges::copy(old->histories(), fresh.histories().begin());
    for (HeartCell& cell : fresh.cells()) cell.page = nullptr;
  }
  // Last: the name never leads to a board that is not whole.
  if (rename(fresh_path.c_str(), path.c_str()) != 0) return give_up("rename", errno);
  return fresh;
}

Board Board::Anonymous(size_t capacity) {
  void* map =
      mmap(nullptr, BytesFor(capacity), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) Fatal("no memory for the board of hearts");
  return {map, capacity, false, true};
}

Board::~Board() {
  if (map_ != nullptr) munmap(map_, BytesFor(capacity_));
}

Board::Board(Board&& other) noexcept
    : map_(std::exchange(other.map_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      found_(other.found_),
      in_memory_(other.in_memory_) {}

Board& Board::operator=(Board&& other) noexcept {
  std::swap(map_, other.map_);
  std::swap(capacity_, other.capacity_);
  std::swap(found_, other.found_);
  std::swap(in_memory_, other.in_memory_);
  return *this;
}

std::span<HeartCell> Board::cells() {
  if (map_ == nullptr) return {};
  return {CellsOf(map_), capacity_};
}

std::span<HeartHistory> Board::histories() {
  if (map_ == nullptr) return {};
  return {HistoriesOf(map_, capacity_), capacity_};
}

}  // namespace procctl::node
