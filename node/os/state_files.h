// Folders, locks and the one durable number of the guardian.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// Makes the folder (and those above it) if it is absent. Refuses one that another user owns or may
// write.
absl::Status EnsureFolder(const std::string& path, mode_t mode);

// Makes a folder that belongs to `uid`/`gid`, mode 0700, below one of ours.
absl::Status EnsureFolderOf(const std::string& path, uid_t uid, gid_t gid);

// Holds the lock until the descriptor is closed, also by kill -9. FAILED_PRECONDITION if another
// process has it.
absl::StatusOr<UniqueFd> LockFile(const std::string& path);

// A number greater than any that was ever used here before, stored durably in `path` before it is
// returned. Never below `at_least` (milliseconds of wall time), so that it also grows when the file
// is lost. Where it cannot be stored
// `*stored` says why and the number is still usable.
int64_t NextEpoch(const std::string& path, int64_t at_least, absl::Status* stored);

// There whole, or as it was: also after a power cut. Waits for the disk.
absl::Status WriteDurably(const std::string& path, const std::string& text);

// At most 1 MiB.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace procctl::node
