// A v2 cgroup of the test's own, to freeze whoever is in it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace procctl::e2e {

// Where v2 hierarchies are mounted, in the order of their mounting.
std::vector<std::string> CgroupV2Places();

class Cgroup {
 public:
  // Below this machine's v2 hierarchy, wherever it is mounted (needs root).
  explicit Cgroup(const std::string& name);
  // Thaws and removes it; whoever is left in it goes back to the root group.
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  bool usable() const { return why_.empty(); }
  const std::string& why() const { return why_; }

  void Add(pid_t pid);
  // Returns once everybody in it is frozen.
  void Freeze();
  void Thaw();

 private:
  std::string why_;
  std::string root_;
  std::string path_;
};

}  // namespace procctl::e2e
