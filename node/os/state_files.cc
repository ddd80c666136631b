#include "node/os/state_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "node/os/proc_file.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr size_t kMostBytes = 1 << 20;

absl::Status Failed(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = fmt::format("{} {}: {}", what, path, std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace

absl::Status WriteDurably(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  {
    const UniqueFd fd(
        open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return Failed("open", fresh);
    if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return Failed("write", fresh);
    }
    if (fsync(fd.get()) != 0) return Failed("fsync", fresh);
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) return Failed("rename", path);
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const UniqueFd dir(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || fsync(dir.get()) != 0) return Failed("fsync", folder);
  return absl::OkStatus();
}

absl::Status EnsureFolder(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (mkdir(path.c_str(), mode) == 0) {
    return chmod(path.c_str(), mode) == 0 ? absl::OkStatus() : Failed("chmod", path);
  }
  if (errno != EEXIST) return Failed("mkdir", path);
  struct stat s {};
  if (lstat(path.c_str(), &s) != 0) return Failed("stat", path);
  if (!S_ISDIR(s.st_mode)) return absl::FailedPreconditionError(path + " is not a folder");
  if (s.st_uid != geteuid()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} belongs to user {}, not to user {} who runs this; remove it or choose another", path,
        s.st_uid, geteuid()));
  }
  if ((s.st_mode & 022) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("{} can be written by others (mode {:o}); run: chmod go-w {}", path,
                    s.st_mode & 07777, path));
  }
  return absl::OkStatus();
}

absl::Status EnsureFolderOf(const std::string& path, uid_t uid, gid_t gid) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Failed("mkdir", path);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return Failed("open", path);
  if (fchown(fd.get(), uid, gid) != 0) return Failed("chown", path);
  if (fchmod(fd.get(), 0700) != 0) return Failed("chmod", path);
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> LockFile(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Failed("open", path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(fmt::format("another guardian holds {}", path));
  }
  return fd;
}

int64_t NextEpoch(const std::string& path, int64_t at_least, absl::Status* stored) {
  int64_t last = 0;
  if (const auto text = ReadSmallFile(path, 64)) {
    // A damaged file counts as absent: at_least still makes the number grow.
    (void)std::from_chars(text->data(), text->data() + text->size(), last);
  }
  const int64_t epoch = std::max(last + 1, at_least);
  *stored = WriteDurably(path, std::to_string(epoch) + "\n");
  return epoch;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  auto text = ReadSmallFile(path, kMostBytes);
  if (!text) return Failed("read", path);
  return *std::move(text);
}

}  // namespace procctl::node
