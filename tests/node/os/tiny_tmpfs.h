// A file system that is soon full, seen by this test process alone.
#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {

class TinyTmpfs {
 public:
  // Mounts it at `folder`. Where that is not allowed, why() says so and the test is to be skipped.
  TinyTmpfs(const std::string& folder, size_t bytes) : folder_(folder) {
    const std::string options = fmt::format("size={},mode=0755", bytes);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
      why_ =
          fmt::format("a tmpfs of this process's own cannot be mounted: {}", std::strerror(errno));
    }
  }
  ~TinyTmpfs() {
    if (why_.empty()) umount2(folder_.c_str(), MNT_DETACH);
  }
  TinyTmpfs(const TinyTmpfs&) = delete;
  TinyTmpfs& operator=(const TinyTmpfs&) = delete;

  const std::string& why() const { return why_; }

 private:
  std::string folder_;
  std::string why_;
};

}  // namespace procctl::node
