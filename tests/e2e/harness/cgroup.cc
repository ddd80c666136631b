#include "tests/e2e/harness/cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
std::vector<std::string> CgroupV2Places() {
  std::vector<std::string> places;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, where, type;
    fields >> device >> where >> type;
    if (type == "cgroup2") places.push_back(where);
  }
  return places;
}

Cgroup::Cgroup(const std::string& name) {
  const std::vector<std::string> places = CgroupV2Places();
  if (places.empty()) {
    why_ = "no cgroup v2 hierarchy is mounted";
    return;
  }
  root_ = places.front();
  path_ = root_ + "/procctl-test-" + std::to_string(getpid()) + "-" + name;
  if (mkdir(path_.c_str(), 0755) != 0) {
    why_ = "mkdir " + path_ + ": " + strerror(errno);
    path_.clear();
  } else if (access((path_ + "/cgroup.freeze").c_str(), W_OK) != 0) {
    why_ = "this kernel's v2 cgroups cannot be frozen";
  }
}

Cgroup::~Cgroup() {
  if (path_.empty()) return;
  // Whoever has ended meanwhile cannot be moved, and need not be.
  const auto try_write = [](const std::string& file, const std::string& text) {
    std::ofstream(file) << text;
  };
  try_write(path_ + "/cgroup.freeze", "0");
  Eventually(5s, [&] {
    std::istringstream left(ReadFile(path_ + "/cgroup.procs"));
    for (std::string pid; left >> pid;) try_write(root_ + "/cgroup.procs", pid);
    return rmdir(path_.c_str()) == 0;
  });
}

void Cgroup::Add(pid_t pid) { WriteFile(path_ + "/cgroup.procs", std::to_string(pid)); }

void Cgroup::Freeze() {
  WriteFile(path_ + "/cgroup.freeze", "1");
  Await(5s, "a frozen cgroup",
        [&] { return ReadFile(path_ + "/cgroup.events").find("frozen 1") != std::string::npos; });
}

void Cgroup::Thaw() { WriteFile(path_ + "/cgroup.freeze", "0"); }

}  // namespace procctl::e2e
