// Wakes a thread that sleeps in poll(). Thread-safe.
#pragma once

#include "proto/support/unique_fd.h"

namespace procctl::uplink {

class WakeFd {
 public:
  WakeFd();
  // Makes fd() readable. Never blocks.
  void Wake() const;
  // Makes fd() unreadable again.
  void Drain() const;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace procctl::uplink
