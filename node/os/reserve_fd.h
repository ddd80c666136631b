// One spare descriptor, so that a listener that is out of descriptors can still accept a connection
// in order to close it, instead of spinning on it or going deaf.
#pragma once

#include "node/os/unique_fd.h"

namespace procctl::node {

class ReserveFd {
 public:
  ReserveFd();

  // accept4 failed with EMFILE or ENFILE: takes one waiting connection with the spare descriptor
  // and closes it.
  void ShedOne(int listener);

 private:
  UniqueFd spare_;
};

}  // namespace procctl::node
