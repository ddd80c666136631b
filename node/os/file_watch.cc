#include "node/os/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr uint32_t kInFolder = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MODIFY |
                               IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                               IN_ONLYDIR;
constexpr uint32_t kInFile = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
// Reads in one call: a flood of events elsewhere in the folder does not hold up the loop.
constexpr int kMostReads = 16;

}  // namespace

FileWatch::FileWatch(std::string path, UniqueFd fd)
    : path_(std::move(path)),
      folder_(std::filesystem::path(path_).parent_path().string()),
      name_(std::filesystem::path(path_).filename().string()),
      fd_(std::move(fd)) {
  if (folder_.empty()) folder_ = ".";
}

absl::StatusOr<FileWatch> FileWatch::Open(std::string path) {
  UniqueFd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) {
    return absl::ResourceExhaustedError(
        fmt::format("{} cannot be watched: {}", path, std::strerror(errno)));
  }
  return FileWatch(std::move(path), std::move(fd));
}

FileWatch::Added FileWatch::Add() const {
  const int folder = inotify_add_watch(fd_.get(), folder_.c_str(), kInFolder);
  const int file = inotify_add_watch(fd_.get(), path_.c_str(), kInFile);
  return {file, folder >= 0 && file >= 0};
}

void FileWatch::Use(const Added& added) {
  // It is gone with its file, or belongs to one that has another name now.
  if (file_ >= 0 && file_ != added.file) (void)inotify_rm_watch(fd_.get(), file_);
  file_ = added.file;
}

bool FileWatch::Changed() {
  bool changed = false;
  alignas(inotify_event) std::array<char, 8192> buffer{};
  for (int i = 0; i < kMostReads; ++i) {
    const ssize_t size = read(fd_.get(), buffer.data(), buffer.size());
    if (size <= 0) break;
    for (size_t at = 0; at + sizeof(inotify_event) <= static_cast<size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const std::string_view name(buffer.data() + at + sizeof event);
      at += sizeof event + event.len;
      // The end of a watch is told by what ended it.
      if ((event.mask & IN_IGNORED) != 0) continue;
      // Without a name it is about the file, the folder, or events that were lost.
      changed = changed || event.len == 0 || name == name_;
    }
  }
  return changed;
}

}  // namespace procctl::node
