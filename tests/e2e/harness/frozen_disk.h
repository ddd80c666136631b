// A small file system that can be frozen: whoever writes to it then sleeps where no signal reaches.
#pragma once

#include <string>

#include "tests/e2e/harness/child.h"

namespace procctl::e2e {

class FrozenDisk {
 public:
  // Makes an ext4 in a file below `folder` and mounts it through a loop device, in a mount
  // namespace of this test's own (needs root). usable() is false where the machine has no loop
  // devices.
  explicit FrozenDisk(const std::string& folder);
  ~FrozenDisk();
  FrozenDisk(const FrozenDisk&) = delete;
  FrozenDisk& operator=(const FrozenDisk&) = delete;

  bool usable() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  const std::string& path() const { return mount_; }
  void Freeze();
  void Thaw();

 private:
  std::string why_;
  std::string mount_;
  int fd_ = -1;
  // Thaws when the test is gone, however it went: a frozen file system outlives everything that
  // uses it.
  int guard_pipe_ = -1;
};

}  // namespace procctl::e2e
