// What is read from /proc. The kernel writes it, but a process chooses its own name and, within a
// delegated tree, that of its cgroup.
#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "node/os/oom_log.h"
#include "node/os/own_cgroup.h"
#include "node/os/proc_file.h"
#include "spdlog/fmt/fmt.h"
#include "tests/fuzz/target.h"

namespace procctl::fuzz {
namespace {

using node::ParseCgroupV2Path;
using node::ParseStat;
using node::ParseStatus;

constexpr uint64_t kKernelThread = 0x00200000;

// Numbers that depend on every byte of the input.
uint64_t Mix(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return hash ^ (hash >> 29);
}

void CheckRawStat(const std::string& text) {
  const auto stat = ParseStat(text);
  if (!stat) return;
  const size_t open = text.find('(');
  PROCCTL_MUST(text.compare(open + 1, stat->comm.size(), stat->comm) == 0);
  const size_t close = open + 1 + stat->comm.size();
  PROCCTL_MUST(text[close] == ')' && text.find(')', close + 1) == std::string::npos);
  // A second reader: the C library's. It takes more for blanks than the kernel writes.
  if (text.find_first_of(std::string("\0\v\f\r", 4)) != std::string::npos) return;
  char state = 0;
  int parent = 0;
  int64_t start = 0;
  const int read = std::sscanf(text.c_str() + close + 1,
                               " %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                               "%*s %*s %" SCNd64,
                               &state, &parent, &start);
  PROCCTL_MUST(read == 3);
  PROCCTL_MUST(state == stat->state && parent == stat->parent && start == stat->start_ticks);
}

// A line as the kernel writes it of a process that named itself `comm`.
void CheckStatOf(const std::string& comm) {
  const uint64_t mix = Mix(comm);
  const char state = "RSDTtZXI"[mix % 8];
  const auto pid = static_cast<int32_t>(mix & 0x3fffff);
  const auto parent = static_cast<int32_t>((mix >> 8) & 0x3fffff);
  const uint64_t flags = (mix >> 16) & 0xffffffff;
  const auto start = static_cast<int64_t>(mix >> 1);
  const auto group = static_cast<int32_t>((mix >> 10) & 0x3fffff);
  const auto session = static_cast<int32_t>((mix >> 12) & 0x3fffff);
  const auto threads = static_cast<int32_t>((mix >> 14) & 0xffff);
  const auto stat = ParseStat(
      fmt::format("{} ({}) {} {} {} {} 0 -1 {} 0 0 0 0 7 3 0 0 20 0 {} 0 {} 8192 100 "
                  "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                  pid, comm, state, parent, group, session, flags, threads, start));
  PROCCTL_MUST(stat);
  PROCCTL_MUST(stat->comm == comm && stat->state == state && stat->parent == parent);
  PROCCTL_MUST(stat->start_ticks == start);
  PROCCTL_MUST(stat->group == group && stat->session == session && stat->threads == threads);
  PROCCTL_MUST(stat->kernel_thread == ((flags & kKernelThread) != 0));
}

void CheckRawStatus(const std::string& text) {
  const auto status = ParseStatus(text);
  if (!status) return;
  const auto has_line = [&](const char* key) {
    return text.rfind(key, 0) == 0 || text.find(std::string("\n") + key) != std::string::npos;
  };
  PROCCTL_MUST(has_line("Uid:") && has_line("TracerPid:"));
}

void CheckStatusOf(const std::string& comm) {
  // In this file, unlike in stat, the kernel escapes newline and backslash.
  std::string name;
  for (const char c : comm) {
    if (c == '\n') {
      name += "\\n";
    } else if (c == '\\') {
      name += "\\\\";
    } else {
      name += c;
    }
  }
  const uint64_t mix = Mix(comm);
  const auto uid = static_cast<int64_t>(mix & 0xffffffff);
  const auto tracer = static_cast<int32_t>((mix >> 32) & 0x3fffff);
  const auto status = ParseStatus(
      fmt::format("Name:\t{}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nPid:\t7\nPPid:\t1\n"
                  "TracerPid:\t{}\nUid:\t77\t{}\t78\t79\nGid:\t0\t0\t0\t0\n",
                  name, tracer, uid));
  PROCCTL_MUST(status && status->uid == uid && status->tracer == tracer);
}

void CheckCgroup(const std::string& text) {
  const std::string path = ParseCgroupV2Path(text);
  PROCCTL_MUST(path.find('\n') == std::string::npos);
  const std::string line = "0::" + path;
  PROCCTL_MUST(path.empty() || text.rfind(line, 0) == 0 ||
               text.find("\n" + line) != std::string::npos);

  // The kernel allows every byte but newline, slash and NUL in a group's name.
  std::string group = text;
  std::replace_if(
      group.begin(), group.end(), [](char c) { return c == '\n' || c == '/' || c == '\0'; }, '_');
  PROCCTL_MUST(ParseCgroupV2Path(fmt::format("12:pids:/{0}\n1:name=systemd:/0::/{0}\n0::/a/{0}\n",
                                             group)) == "/a/" + group);
  PROCCTL_MUST(ParseCgroupV2Path(fmt::format("3:cpu,cpuacct:/{}\n", group)).empty());
}

void CheckOwnCgroup(const std::string& text) {
  for (const std::string_view cgroups : {std::string_view("0::/a/b\n"), std::string_view(text)}) {
    const auto folder = node::OwnCgroupFolder(text, cgroups);
    PROCCTL_MUST(!folder.ok() || folder->front() == '/');
  }
  // However a group is called: it is below the mount, or refused because it climbs.
  std::string group = text.substr(0, text.find('\n'));
  std::replace(group.begin(), group.end(), '/', '_');
  const auto folder = node::OwnCgroupFolder("30 22 0:26 / /mnt rw - cgroup2 cgroup2 rw\n",
                                            fmt::format("0::/{}/x\n", group));
  PROCCTL_MUST(folder.ok() ? *folder == fmt::format("/mnt/{}/x", group)
                           : group.rfind("..", 0) == 0);
}

void CheckOomKill(const std::string& text) {
  const auto victim = node::ParseOomKill(text);
  PROCCTL_MUST(!victim || (*victim > 0 && text.find(": Killed process ") != std::string::npos));
  const std::string name = text.substr(0, text.find('\0'));
  const auto pid = static_cast<int32_t>(Mix(name) & 0x3fffff) + 1;
  PROCCTL_MUST(node::ParseOomKill(fmt::format(
                   "3,1,2,-;Out of memory: Killed process {} ({}) total-vm:1kB\n", pid, name)) ==
               pid);
  PROCCTL_MUST(!node::ParseOomKill(fmt::format("4,1,2,-;{} invoked oom-killer: order=0\n", name)) ||
               name.find(": Killed process ") != std::string::npos);
}

}  // namespace
}  // namespace procctl::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckRawStat(text);
  CheckRawStatus(text);
  CheckCgroup(text);
  CheckOwnCgroup(text);
  CheckOomKill(text);
  // A name ends at the first NUL. Longer ones than a process can have do no harm here.
  const std::string comm = text.substr(0, text.find('\0'));
  CheckStatOf(comm);
  CheckStatusOf(comm);
  return 0;
}
