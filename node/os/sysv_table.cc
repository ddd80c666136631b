#include "node/os/sysv_table.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr int kMode = 0660;

// Device and inode (fields 4 and 5) of one line of /proc/<pid>/maps; empty if malformed.
std::string_view DeviceAndInode(std::string_view line) {
  size_t at = 0;
  for (int field = 0; field < 3; ++field) {
    at = line.find(' ', at);
    if (at == std::string_view::npos) return {};
    ++at;
  }
  const size_t inode = line.find(' ', at);
  if (inode == std::string_view::npos) return {};
  const size_t end = line.find_first_of(" \n", inode + 1);
  return line.substr(at, std::min(end, line.size()) - at);
}

// How our own map shows the segment that is attached at `address`.
std::string OwnIdentity(const void* address) {
  std::ifstream maps("/proc/self/maps");
  const std::string start = fmt::format("{:x}-", reinterpret_cast<uintptr_t>(address));
  for (std::string line; std::getline(maps, line);) {
    if (line.compare(0, start.size(), start) == 0) return std::string(DeviceAndInode(line));
  }
  return {};
}

}  // namespace

absl::StatusOr<SysvTable> SysvTable::Open(key_t key, int32_t rows, gid_t group) {
  const size_t bytes = static_cast<size_t>(rows) * sizeof(ClassicRow);
  const auto refuse = [&](std::string why) {
    return absl::FailedPreconditionError(
        fmt::format("System V segment 0x{:x} {}; look at it with ipcs -m, and remove it with ipcrm "
                    "-M 0x{:x} if it is "
                    "nobody's",
                    static_cast<unsigned>(key), why, static_cast<unsigned>(key)));
  };
  bool made = true;
  int id = shmget(key, bytes, IPC_CREAT | IPC_EXCL | kMode);
  if (id < 0 && errno == EEXIST) {
    made = false;
    id = shmget(key, 0, 0);
  }
  if (id < 0) return refuse(fmt::format("cannot be used: {}", std::strerror(errno)));

  shmid_ds info{};
  if (shmctl(id, IPC_STAT, &info) != 0)
    return refuse(fmt::format("cannot be read: {}", std::strerror(errno)));
  if (!made) {
    // Creator and owner both: the owner can be handed over, the creator cannot be faked.
    if (info.shm_perm.cuid != geteuid() || info.shm_perm.uid != geteuid()) {
      return refuse(fmt::format("was made by user {}, not by this guardian (user {})",
                                info.shm_perm.cuid, geteuid()));
    }
    if (info.shm_segsz != bytes) {
      return refuse(fmt::format("has {} bytes, and {} slots need {}", info.shm_segsz, rows, bytes));
    }
    if ((info.shm_perm.mode & 07) != 0) {
      return refuse(fmt::format("may be used by everybody (mode {:o})", info.shm_perm.mode & 0777));
    }
  }
  if (made || info.shm_perm.gid != group || (info.shm_perm.mode & 0777) != kMode) {
    info.shm_perm.gid = group;
    info.shm_perm.mode = kMode;
    if (shmctl(id, IPC_SET, &info) != 0) {
      return refuse(fmt::format("cannot be given to group {}: {}", group, std::strerror(errno)));
    }
  }
  void* address = shmat(id, nullptr, 0);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): shmat's own way to fail
  if (address == reinterpret_cast<void*>(-1))
    return refuse(fmt::format("cannot be attached: {}", std::strerror(errno)));
  SysvTable table;
  table.id_ = id;
  table.rows_ = static_cast<ClassicRow*>(address);
  table.count_ = static_cast<size_t>(rows);
  table.map_identity_ = OwnIdentity(address);
  if (table.map_identity_.empty())
    return refuse("does not show in /proc/self/maps; is /proc mounted?");
  return table;
}

SysvTable::~SysvTable() {
  if (rows_ != nullptr) (void)shmdt(rows_);
}

SysvTable::SysvTable(SysvTable&& other) noexcept
    : id_(std::exchange(other.id_, -1)),
      rows_(std::exchange(other.rows_, nullptr)),
      count_(other.count_),
      map_identity_(std::move(other.map_identity_)) {}

SysvTable& SysvTable::operator=(SysvTable&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(rows_, other.rows_);
  std::swap(count_, other.count_);
  std::swap(map_identity_, other.map_identity_);
  return *this;
}

void SysvTable::Copy(std::vector<ClassicRow>* rows) const {
  rows->resize(count_);
  for (size_t i = 0; i < count_; ++i) {
    // The pid is read on both sides of the rest: a row that changed hands in between is left for
    // the next scan, as free.
    const int32_t before = __atomic_load_n(&rows_[i].pid, __ATOMIC_ACQUIRE);
    std::memcpy(&(*rows)[i], &rows_[i], sizeof(ClassicRow));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    const int32_t after = __atomic_load_n(&rows_[i].pid, __ATOMIC_RELAXED);
    (*rows)[i].pid = before;
    if (before != after) (*rows)[i] = ClassicRow{};
  }
}

int64_t SysvTable::Atime(size_t row) const {
  return __atomic_load_n(&rows_[row].atime, __ATOMIC_RELAXED);
}

bool SysvTable::Clear(size_t row, int32_t pid) {
  int32_t expected = pid;
  return __atomic_compare_exchange_n(&rows_[row].pid, &expected, 0, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED);
}

bool SysvTable::StillThere() const {
  shmid_ds info{};
  // A removed segment lives on while it is attached, marked for destruction; newcomers would make
  // another one.
  return shmctl(id_, IPC_STAT, &info) == 0 && (info.shm_perm.mode & SHM_DEST) == 0;
}

bool MapHolds(std::string_view maps, std::string_view map_identity) {
  while (!maps.empty()) {
    const size_t end = std::min(maps.find('\n'), maps.size());
    if (DeviceAndInode(maps.substr(0, end)) == map_identity) return true;
    maps.remove_prefix(std::min(end + 1, maps.size()));
  }
  return false;
}

std::optional<bool> HasAttached(int32_t pid, std::string_view map_identity) {
  std::ifstream in(fmt::format("/proc/{}/maps", pid));
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return MapHolds(text.str(), map_identity);
}

}  // namespace procctl::node
