// The folder that holds all a controller must remember, and the lock that keeps a second one out of
// it.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace procctl::controller {

class StateDir {
 public:
  // Makes `path` (with its parents) if it is missing, closes it to everybody else (0700) and takes
  // its lock. FAILED_PRECONDITION if another controller holds the lock, or the folder belongs to
  // another user. With kRootToo, root may open that of another user, and leaves its files to them.
  enum class Opener { kOwner, kRootToo };
  static absl::StatusOr<StateDir> Open(const std::string& path, Opener opener = Opener::kOwner);

  StateDir(StateDir&& other) noexcept;
  StateDir& operator=(StateDir&&) = delete;
  // Lets the lock go; so does the end of the process, whatever its kind.
  ~StateDir();

  const std::string& path() const { return path_; }
  // Gives a file that this process has made in it to the folder's owner.
  absl::Status GiveToOwner(const std::string& file) const;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  StateDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  int lock_fd_;
};

}  // namespace procctl::controller
