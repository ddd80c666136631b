// Files that must be whole or absent, and folders that only their owner enters.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace procctl {

// What to do when the path exists.
enum class Existing { kReplace, kRefuse };

// Writes `text` beside `path`, syncs it, then moves it there: readers see the old file, none, or
// the whole new one, whatever happens in between. The file has exactly `mode`, from its first
// moment. ALREADY_EXISTS with kRefuse, even when two writers race.
absl::Status WriteFileSafely(const std::string& path, std::string_view text, mode_t mode,
                             Existing existing);

// Makes `path` and what is missing above it, each with mode 0700. Existing folders stay as they
// are.
absl::Status MakeFolders(const std::string& path);

bool FileExists(const std::string& path);

}  // namespace procctl
