// A cgroup of the test's own (v1) with little memory: the kernel kills who wants more. It stands in
// for a host that runs out of memory.
#pragma once

#include <cstdint>
#include <string>

namespace procctl::e2e {

class MemoryGroup {
 public:
  // Needs root.
  MemoryGroup(const std::string& name, int64_t bytes);
  // Removes it, once nobody is left in it.
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  // Also false where the kernel's log, which alone tells of such kills in v1 groups, cannot be read
  // or tells other pids than ours.
  bool usable() const { return why_.empty(); }
  const std::string& why() const { return why_; }

  // Shell text by which the shell, and what it becomes by exec, joins it.
  std::string Join() const { return "echo $$ > " + path_ + "/cgroup.procs"; }

 private:
  std::string why_;
  std::string path_;
};

}  // namespace procctl::e2e
