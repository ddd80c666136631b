#include "controller/store/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

absl::Status Unusable(const std::string& path, const std::string& why) {
  return absl::FailedPreconditionError(fmt::format("state folder {}: {}", path, why));
}

absl::Status ClosedFolder(const std::string& path, StateDir::Opener opener) {
  std::error_code error;
  const std::filesystem::path folder(path);
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  if (error) return Unusable(path, error.message());
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Unusable(path, strerror(errno));
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return Unusable(path, strerror(errno));
  if (!S_ISDIR(facts.st_mode)) return Unusable(path, "is not a folder");
  const bool root = opener == StateDir::Opener::kRootToo && geteuid() == 0;
  if (facts.st_uid != geteuid() && !root) {
    return Unusable(path,
                    fmt::format("belongs to user {}, this controller runs as user {}; chown it "
                                "or set state_dir",
                                facts.st_uid, geteuid()));
  }
  if ((facts.st_mode & 077) != 0 && chmod(path.c_str(), 0700) != 0) {
    return Unusable(path, strerror(errno));
  }
  return absl::OkStatus();
}

std::string Holder(int fd) {
  std::array<char, 16> pid = {};
  const ssize_t size = pread(fd, pid.data(), pid.size() - 1, 0);
  return size > 0 ? std::string(pid.data(), static_cast<size_t>(size)) : "unknown";
}

}  // namespace

absl::StatusOr<StateDir> StateDir::Open(const std::string& path, Opener opener) {
  if (absl::Status folder = ClosedFolder(path, opener); !folder.ok()) return folder;
  const std::string lock = path + "/lock";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Unusable(path, fmt::format("cannot open {}: {}", lock, strerror(errno)));
  StateDir dir(path, fd);
  if (absl::Status given = dir.GiveToOwner(lock); !given.ok()) return given;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Unusable(path, fmt::format("flock: {}", strerror(errno)));
    return Unusable(path,
                    fmt::format("another controller (pid {}) is using it; stop that one, or give "
                                "this one a state_dir of its own",
                                Holder(fd)));
  }
  // Only for the message above, so a failure to write it costs nothing else.
  const std::string pid = std::to_string(getpid());
  if (ftruncate(fd, 0) == 0) (void)!pwrite(fd, pid.data(), pid.size(), 0);
  return dir;
}

absl::Status StateDir::GiveToOwner(const std::string& file) const {
  struct stat folder = {};
  if (stat(path_.c_str(), &folder) != 0) return Unusable(path_, strerror(errno));
  if (folder.st_uid == geteuid()) return absl::OkStatus();
  if (lchown(file.c_str(), folder.st_uid, folder.st_gid) != 0) {
    return Unusable(
        path_, fmt::format("cannot give {} to user {}: {}", file, folder.st_uid, strerror(errno)));
  }
  return absl::OkStatus();
}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

StateDir::~StateDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

}  // namespace procctl::controller
