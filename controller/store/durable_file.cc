#include "controller/store/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "proto/support/unique_fd.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

absl::Status Failed(const std::string& doing, const std::string& path, int error) {
  const std::string message = fmt::format("{} {}: {}", doing, path, strerror(error));
  switch (error) {
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

absl::Status Sync(const std::string& path, int flags) {
  const UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.ok()) return Failed("cannot open", path, errno);
  if (fsync(fd.get()) != 0) return Failed("cannot bring to disk", path, errno);
  return absl::OkStatus();
}

}  // namespace

absl::Status SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return Sync(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

absl::StatusOr<NewFile> NewFile::Make(const std::string& path, const std::string& purpose) {
  const std::string name = fmt::format("{}.{}-{}", path, purpose, getpid());
  (void)unlink(name.c_str());  // there is mostly none
  const UniqueFd fd(open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.ok()) return Failed("cannot make", name, errno);
  return NewFile(name);
}

NewFile::NewFile(NewFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}

NewFile::~NewFile() {
  if (!path_.empty()) (void)unlink(path_.c_str());
}

absl::Status NewFile::KeepAs(const std::string& target) {
  if (absl::Status synced = Sync(path_, O_RDWR); !synced.ok()) return synced;
  // link, where rename would take the place of what is there. Some file systems have no links; they
  // do have the rename that refuses.
  const bool linked = link(path_.c_str(), target.c_str()) == 0;
  if (linked) {
    (void)unlink(path_.c_str());
  } else if (errno == EEXIST ||
             renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
    return Failed("cannot make", target, errno);
  }
  path_.clear();
  return SyncFolderOf(target);
}

absl::Status NewFile::Replace(const std::string& target) {
  if (absl::Status synced = Sync(path_, O_RDWR); !synced.ok()) return synced;
  if (rename(path_.c_str(), target.c_str()) != 0) return Failed("cannot make", target, errno);
  path_.clear();
  return SyncFolderOf(target);
}

}  // namespace procctl::controller
