#include "node/os/proc_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "node/os/proc_text.h"
#include "node/os/unique_fd.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr uint64_t kPfKthread = 0x00200000;  // PF_KTHREAD of the kernel's sched.h, field 9 of stat
constexpr int kMostAncestors = 256;
constexpr size_t kMostChildrenText = size_t{1} << 20;

absl::Status Refused() {
  const int error = errno;
  return absl::Status(absl::ErrnoToStatusCode(error), std::strerror(error));
}

// The entries of a folder of /proc whose names are numbers.
absl::StatusOr<std::vector<int32_t>> TryNumbers(const char* folder) {
  std::vector<int32_t> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(folder), closedir);
  if (open == nullptr) return Refused();
  errno = 0;
  while (const dirent* entry = readdir(open.get())) {
    int32_t number = 0;
    if (ReadNumber(entry->d_name, &number)) numbers.push_back(number);
    errno = 0;
  }
  if (errno != 0) return Refused();
  return numbers;
}

std::vector<int32_t> Numbers(const char* folder) {
  return TryNumbers(folder).value_or(std::vector<int32_t>());
}

}  // namespace

std::optional<ProcStat> ParseStat(std::string_view text) {
  // "pid (comm) state ppid ...": comm may itself hold ") R 1 (", so the last parenthesis counts.
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  ProcStat stat;
  stat.comm = std::string(text.substr(open + 1, close - open - 1));
  std::string_view rest = text.substr(close + 1);
  std::array<std::string_view, 20> fields;  // fields 3 (state) to 22 (start time)
  for (auto& field : fields) {
    field = Word(rest);
    if (field.empty()) return std::nullopt;
    rest.remove_prefix(static_cast<size_t>(field.data() + field.size() - rest.data()));
  }
  uint64_t flags = 0;
  if (fields[0].size() != 1 || !ReadNumber(fields[1], &stat.parent) ||
      !ReadNumber(fields[2], &stat.group) || !ReadNumber(fields[3], &stat.session) ||
      !ReadNumber(fields[6], &flags) || !ReadNumber(fields[11], &stat.user_ticks) ||
      !ReadNumber(fields[12], &stat.system_ticks) || !ReadNumber(fields[17], &stat.threads) ||
      !ReadNumber(fields[19], &stat.start_ticks)) {
    return std::nullopt;
  }
  stat.state = fields[0][0];
  stat.kernel_thread = (flags & kPfKthread) != 0;
  return stat;
}

bool HasEnded(const ProcStat& stat) {
  return stat.state == 'X' || (stat.state == 'Z' && stat.threads <= 1);
}

std::optional<ProcStatus> ParseStatus(std::string_view text) {
  ProcStatus status;
  // "Uid:\treal effective saved fs". The name comes first in the file and has its newlines escaped
  // by the kernel.
  if (!ReadNumber(Word(LineAfter(text, "Uid:"), 1), &status.uid)) return std::nullopt;
  if (!ReadNumber(Word(LineAfter(text, "TracerPid:")), &status.tracer)) return std::nullopt;
  return status;
}

std::string ParseCgroupV2Path(std::string_view text) {
  const std::string_view path = LineAfter(text, "0::");
  return std::string(path);
}

absl::StatusOr<std::string> ReadKernelFile(const std::string& path, size_t most) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return Refused();
  std::string text(most, '\0');
  size_t used = 0;
  while (used < most) {
    const ssize_t n = read(fd.get(), text.data() + used, most - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Refused();
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  text.resize(used);
  return text;
}

std::optional<std::string> ReadSmallFile(const std::string& path, size_t most) {
  auto text = ReadKernelFile(path, most);
  if (!text.ok()) return std::nullopt;
  return *std::move(text);
}

std::optional<ProcStat> ReadStat(int32_t pid) {
  auto stat = TryReadStat(pid);
  if (!stat.ok()) return std::nullopt;
  return *std::move(stat);
}

absl::StatusOr<ProcStat> TryReadStat(int32_t pid) {
  const auto text = ReadKernelFile(fmt::format("/proc/{}/stat", pid), 4096);
  if (!text.ok()) return text.status();
  auto stat = ParseStat(*text);
  if (!stat) return absl::InternalError(fmt::format("/proc/{}/stat makes no sense", pid));
  return *std::move(stat);
}

std::optional<ProcStatus> ReadStatus(int32_t pid) {
  const auto text = ReadSmallFile(fmt::format("/proc/{}/status", pid));
  return text ? ParseStatus(*text) : std::nullopt;
}

bool IsFrozen(int32_t pid) {
  const auto cgroups = ReadSmallFile(fmt::format("/proc/{}/cgroup", pid));
  return cgroups && IsCgroupFrozen(ParseCgroupV2Path(*cgroups));
}

bool IsCgroupFrozen(const std::string& path) {
  if (path.empty() || path == "/" || path.find("..") != std::string::npos) return false;
  // Pure v2 hosts mount it at the top, hybrid ones below /unified. cgroup.events tells the
  // effective state: a group under a frozen one is frozen too.
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    const auto events = ReadSmallFile(fmt::format("{}{}/cgroup.events", root, path), 4096);
    if (events) return Word(LineAfter(*events, "frozen")) == "1";
  }
  return false;
}

std::vector<int32_t> AllProcesses() { return Numbers("/proc"); }

absl::StatusOr<std::vector<int32_t>> TryAllProcesses() { return TryNumbers("/proc"); }

std::vector<int32_t> OwnChildren() {
  std::vector<int32_t> children;
  bool told = false;
  for (const int32_t thread : Numbers("/proc/self/task")) {
    // Some kernels are built without this file; a thread that ended has none either.
    const auto text =
        ReadSmallFile(fmt::format("/proc/self/task/{}/children", thread), kMostChildrenText);
    if (!text) continue;
    told = true;
    for (std::string_view rest = *text;;) {
      const std::string_view word = Word(rest);
      int32_t pid = 0;
      if (word.empty() || !ReadNumber(word, &pid)) break;
      children.push_back(pid);
      rest.remove_prefix(static_cast<size_t>(word.data() + word.size() - rest.data()));
    }
  }
  if (told) return children;
  const int32_t self = getpid();
  for (const int32_t pid : AllProcesses()) {
    const auto stat = ReadStat(pid);
    if (stat && stat->parent == self) children.push_back(pid);
  }
  return children;
}

std::set<int32_t> OwnLine() {
  std::set<int32_t> line;
  int32_t pid = getpid();
  for (int i = 0; i < kMostAncestors && pid > 0 && line.insert(pid).second; ++i) {
    const auto stat = ReadStat(pid);
    if (!stat) break;
    pid = stat->parent;
  }
  return line;
}

}  // namespace procctl::node
