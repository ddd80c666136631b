#include "controller/pki/safe_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "proto/support/unique_fd.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  const std::string message = fmt::format("cannot {} {}: {}", what, path, std::strerror(error));
  if (error == EACCES || error == EPERM || error == EROFS) {
    return absl::PermissionDeniedError(message + "; run this as the owner of that folder");
  }
  return absl::InternalError(message);
}

// Removes the temporary file unless it has become the real one.
struct Temporary {
  std::string path;
  ~Temporary() {
    if (!path.empty()) (void)unlink(path.c_str());  // nothing better to do in a destructor
  }
};

absl::Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write", path, errno);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteFileSafely(const std::string& path, std::string_view text, mode_t mode,
                             Existing existing) {
  std::string name = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(name.data(), O_CLOEXEC));  // made 0600
  if (!fd.ok()) return Failed("make a file beside", path, errno);
  Temporary temporary{name};
  if (auto s = WriteAll(fd.get(), text, name); !s.ok()) return s;
  if (fchmod(fd.get(), mode) != 0) return Failed("set the mode of", name, errno);
  if (fsync(fd.get()) != 0) return Failed("sync", name, errno);
  if (existing == Existing::kReplace) {
    if (rename(name.c_str(), path.c_str()) != 0) return Failed("write", path, errno);
    temporary.path.clear();
  } else if (link(name.c_str(), path.c_str()) != 0) {  // unlike rename, never overwrites
    if (errno == EEXIST) return absl::AlreadyExistsError(path + " exists and is not overwritten");
    return Failed("write", path, errno);
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const UniqueFd folder_fd(
      open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_fd.ok() || fsync(folder_fd.get()) != 0) return Failed("sync", folder, errno);
  return absl::OkStatus();
}

absl::Status MakeFolders(const std::string& path) {
  std::filesystem::path so_far;
  for (const auto& part : std::filesystem::path(path)) {
    so_far /= part;
    if (mkdir(so_far.c_str(), 0700) == 0 || errno == EEXIST) continue;
    return Failed("make the folder", so_far.string(), errno);
  }
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return absl::FailedPreconditionError(path + " is not a folder");
  }
  return absl::OkStatus();
}

bool FileExists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

}  // namespace procctl
