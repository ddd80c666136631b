// The classic heartbeat table: a System V segment that old programs attach and write.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "node/core/classic_row.h"

namespace procctl::node {

// Owns the attachment, not the segment: that outlives the guardian, as its users do.
class SysvTable {
 public:
  // Makes the segment, mode 0660 with `group`, or takes up one that a guardian of this user made
  // before. FAILED_PRECONDITION: there is one, and it is not ours (made by another user, another
  // size, writable by others): whoever made it could still own every row.
  static absl::StatusOr<SysvTable> Open(key_t key, int32_t rows, gid_t group);

  ~SysvTable();
  SysvTable(SysvTable&& other) noexcept;
  SysvTable& operator=(SysvTable&& other) noexcept;

  // One copy of the whole table. `rows` keeps its memory between calls.
  void Copy(std::vector<ClassicRow>* rows) const;
  // A second look at one row's token.
  int64_t Atime(size_t row) const;
  // Zeroes the row's pid if it is still `pid`. False: somebody else has the row now.
  bool Clear(size_t row, int32_t pid);
  // False once the segment was removed (IPC_RMID) by somebody.
  bool StillThere() const;

  // What identifies the segment in a process's memory map: "<device> <inode>" as /proc/<pid>/maps
  // prints them.
  const std::string& map_identity() const { return map_identity_; }

 private:
  SysvTable() = default;

  int id_ = -1;
  ClassicRow* rows_ = nullptr;
  size_t count_ = 0;
  std::string map_identity_;
};

// True if a memory map (text of /proc/<pid>/maps) holds the segment. Pure.
bool MapHolds(std::string_view maps, std::string_view map_identity);

// Reads /proc/<pid>/maps: takes the process's memory lock, so it may block for as long as the
// process is stuck. Never call it on the enforcement thread. Nullopt if the process is gone.
std::optional<bool> HasAttached(int32_t pid, std::string_view map_identity);

}  // namespace procctl::node
