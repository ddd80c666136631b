// Files that must be there after a power cut, and never in place of another.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace procctl::controller {

// A new file that only this user may read (0600), removed again unless it is kept. Where the
// process is killed it stays: its name says what it is.
class NewFile {
 public:
  // Makes it at `path`, with "." + `purpose` + the process id behind. Whatever such file is left of
  // an earlier process of that id goes first.
  static absl::StatusOr<NewFile> Make(const std::string& path, const std::string& purpose);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  const std::string& path() const { return path_; }

  // Brings it to disk under the name `target`. ALREADY_EXISTS, and it is not kept, if something has
  // that name.
  absl::Status KeepAs(const std::string& target);
  // The same, in place of `target` if there is one.
  absl::Status Replace(const std::string& target);

 private:
  explicit NewFile(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: kept
};

// Brings the names in the folder of `path` to disk.
absl::Status SyncFolderOf(const std::string& path);

}  // namespace procctl::controller
