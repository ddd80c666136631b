#include "controller/rpc/process_gauges.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "proto/support/unique_fd.h"

namespace procctl::controller {
namespace {

std::string ReadSmall(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(4096, '\0');
  const ssize_t size = fd.ok() ? read(fd.get(), text.data(), text.size()) : -1;
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

// The number at the beginning, blanks passed over.
std::optional<std::int64_t> Number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr == text.data()) return std::nullopt;
  return number;
}

// `file` in `group` of the hierarchy at `root` and in all groups above it.
std::optional<std::int64_t> LeastUpwards(const std::string& root, std::string group,
                                         const char* file) {
  std::optional<std::int64_t> least;
  for (;;) {
    // "max" is no number.
    const auto limit = Number(ReadSmall(root + group + "/" + file));
    if (limit.has_value()) least = std::min(*limit, least.value_or(*limit));
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

}  // namespace

std::optional<std::int64_t> ResidentMemory() {
  const std::string text = ReadSmall("/proc/self/statm");
  const std::size_t blank = text.find(' ');
  if (blank == std::string::npos) return std::nullopt;
  const auto pages = Number(std::string_view(text).substr(blank));
  if (!pages.has_value()) return std::nullopt;
  return *pages * sysconf(_SC_PAGESIZE);
}

std::optional<std::int64_t> MachineMemory() {
  const std::int64_t pages = sysconf(_SC_PHYS_PAGES);
  if (pages <= 0) return std::nullopt;
  return pages * sysconf(_SC_PAGESIZE);
}

std::optional<std::int64_t> CgroupMemoryLimit() {
  // "0::/a/b" is of version 2, "4:memory:/a/b" of version 1. In a container the path may be the
  // host's: then the root of what is mounted is this process's own group.
  const std::string groups = ReadSmall("/proc/self/cgroup");
  std::optional<std::int64_t> least;
  for (std::size_t begin = 0; begin < groups.size();) {
    const std::size_t end = std::min(groups.find('\n', begin), groups.size());
    const std::string line = groups.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = line.find(':');
    const std::size_t path = line.find(':', colon + 1);
    if (colon == std::string::npos || path == std::string::npos) continue;
    const std::string controllers = line.substr(colon + 1, path - colon - 1);
    std::string group = line.substr(path + 1);
    if (group == "/") group.clear();
    std::optional<std::int64_t> limit;
    if (controllers.empty()) limit = LeastUpwards("/sys/fs/cgroup", group, "memory.max");
    if (controllers == "memory") {
      limit = LeastUpwards("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    }
    if (limit.has_value()) least = std::min(*limit, least.value_or(*limit));
  }
  return least;
}

std::optional<std::int64_t> OpenDescriptors() {
  struct stat info = {};
  // Linux 6.2 counts them itself; before, the size is 0.
  if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0) return info.st_size;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (folder == nullptr) return std::nullopt;
  std::int64_t count = 0;
  while (readdir(folder.get()) != nullptr) ++count;
  return count - 3;  // ".", ".." and the folder itself
}

}  // namespace procctl::controller
