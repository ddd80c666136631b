#include "node/run/proc_stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <string>

#include "proto/support/unique_fd.h"

namespace procctl::run {

std::optional<ProcStat> ParseProcStat(std::string_view text) {
  // "PID (NAME) STATE PPID ...": no later field holds a parenthesis.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || text.size() < name_end + 5) return std::nullopt;
  const std::string_view rest = text.substr(name_end + 1);
  if (rest[0] != ' ' || rest[2] != ' ') return std::nullopt;
  ProcStat stat;
  stat.state = rest[1];
  const auto parsed = std::from_chars(rest.data() + 3, rest.data() + rest.size(), stat.parent);
  if (parsed.ec != std::errc()) return std::nullopt;
  return stat;
}

std::optional<ProcStat> ReadProcStat(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return std::nullopt;
  char text[512];  // The fields looked at come within the first 100 bytes.
  const ssize_t size = read(fd.get(), text, sizeof(text));
  if (size <= 0) return std::nullopt;
  return ParseProcStat({text, static_cast<size_t>(size)});
}

std::vector<pid_t> AllPids() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (directory == nullptr) return pids;
  while (const dirent* entry = readdir(directory.get())) {
    const char* name = entry->d_name;
    const char* end = name + std::strlen(name);
    pid_t pid = 0;
    const auto parsed = std::from_chars(name, end, pid);
    if (parsed.ec == std::errc() && parsed.ptr == end) pids.push_back(pid);
  }
  return pids;
}

}  // namespace procctl::run
