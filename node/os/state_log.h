// A file of records that are only ever added, for what a guardian must know of the one before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// Holds against kill -9 at any instant: a record that Append said OK to is there for the next
// guardian. Not against a power cut: nothing is synced. The log lies in the runtime folder, and
// what it tells of is gone after a boot anyway.
//
// Record on file, numbers as this machine has them (the file never leaves it):
//
//   offset  bytes   what
//   0       4       magic "PLOG"
//   4       4       length n, at most kMostRecordBytes
//   8       4       ~n, so that a damaged length is not taken for a record cut short
//   12      4       CRC-32C of the length and the payload
//   16      n       payload
//
// One thread. The caller holds the lock of the folder. Calls wait for the file system that the
// folder is on: let it be a tmpfs.
class StateLog {
 public:
  // Many times what the largest host changes in one turn: what belongs together is one record.
  static constexpr size_t kMostRecordBytes = 64 << 20;

  // What was found broken. A record cut short at the very end is not damage: its Append was killed
  // before it could say OK.
  struct Damage {
    size_t lost_bytes = 0;  // from the first damaged record to the end; 0: no damage
    std::string kept_at;    // the file as it was found; empty if there was no room to keep it
  };

  // Opens or makes the log (0600) and hands every whole record to `replay`, in order. The log ends
  // there: a record cut short is cut off; after damage nothing more is read, `*damage` says how
  // much is lost, and the file as found is kept as `path`.damaged. FAILED_PRECONDITION: `path` is
  // not a file of ours (a link, another user's, one that others may write).
  static absl::StatusOr<StateLog> Open(const std::string& path,
                                       const std::function<void(std::string_view record)>& replay,
                                       Damage* damage);

  // One write. On failure the log is as before, and a later record may find room again:
  // RESOURCE_EXHAUSTED the file system is full; INTERNAL anything else the file system says;
  // INVALID_ARGUMENT over kMostRecordBytes.
  absl::Status Append(std::string_view record);

  // Puts `records` in the place of all that was written, at once: a guardian killed meanwhile
  // leaves the old log or the new one. On failure the old one goes on. Codes as for Append.
  absl::Status Rewrite(const std::vector<std::string>& records);

  // Length of the file: what a Rewrite might save.
  size_t bytes() const { return bytes_; }

 private:
  StateLog(std::string path, UniqueFd fd, size_t bytes)
      : path_(std::move(path)), fd_(std::move(fd)), bytes_(bytes) {}

  std::string path_;
  UniqueFd fd_;
  // Where the last whole record ends.
  size_t bytes_ = 0;
  // Something lies behind bytes_ that could not be cut off yet.
  bool torn_ = false;
};

}  // namespace procctl::node
