// Wakes the loop from other threads. Thread-safe.
#pragma once

#include "node/os/unique_fd.h"

namespace procctl::logger {

class Bell {
 public:
  Bell();
  // Makes fd() readable. Never blocks.
  void Ring() const;
  // Makes fd() unreadable again.
  void Quiet() const;
  int fd() const { return fd_.get(); }

 private:
  node::UniqueFd fd_;
};

}  // namespace procctl::logger
