#include "tests/e2e/harness/memory_group.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/e2e/harness/cgroup.h"
#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

// Of the v1 hierarchy of the memory controller.
std::string FindRoot() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, where, type, options;
    fields >> device >> where >> type >> options;
    if (type == "cgroup" && ("," + options + ",").find(",memory,") != std::string::npos)
      return where;
  }
  return "";
}

// The kernel's log numbers processes as the first pid namespace does (linux/proc_ns.h).
bool InFirstPidNamespace() {
  constexpr ino_t kFirst = 0xEFFFFFFC;
  struct stat file {};
  return stat("/proc/self/ns/pid", &file) == 0 && file.st_ino == kFirst;
}

std::string WhyNoRoot() {
  for (const std::string& place : CgroupV2Places()) {
    if (ReadFile(place + "/cgroup.controllers").find("memory") != std::string::npos) {
      return "memory is limited and its kills are counted by cgroup v2 here (memory.events), and "
             "this is about hosts where the kernel's log alone tells of them";
    }
  }
  return "no cgroup hierarchy with the memory controller is mounted";
}

}  // namespace

MemoryGroup::MemoryGroup(const std::string& name, int64_t bytes) {
  if (!std::ifstream("/dev/kmsg")) {
    why_ = std::string("/dev/kmsg cannot be read: ") + strerror(errno);
    return;
  }
  if (!InFirstPidNamespace()) {
    why_ = "the kernel's log numbers processes otherwise than this pid namespace";
    return;
  }
  const std::string root = FindRoot();
  if (root.empty()) {
    why_ = WhyNoRoot();
    return;
  }
  const std::string path = root + "/procctl-test-" + std::to_string(getpid()) + "-" + name;
  if (mkdir(path.c_str(), 0755) != 0) {
    why_ = "mkdir " + path + ": " + strerror(errno);
    return;
  }
  path_ = path;
  WriteFile(path_ + "/memory.limit_in_bytes", std::to_string(bytes));
  // Else a host with swap would page it out, slowly and without end.
  if (access((path_ + "/memory.memsw.limit_in_bytes").c_str(), W_OK) == 0)
    WriteFile(path_ + "/memory.memsw.limit_in_bytes", std::to_string(bytes));
}

MemoryGroup::~MemoryGroup() {
  if (path_.empty()) return;
  Eventually(10s, [this] { return rmdir(path_.c_str()) == 0; });
}

}  // namespace procctl::e2e
