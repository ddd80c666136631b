#include "node/logger/bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "proto/support/logging.h"

namespace procctl::logger {

Bell::Bell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) Fatal("eventfd failed: no descriptors or no memory at the start");
}

void Bell::Ring() const {
  const uint64_t one = 1;
  (void)!write(fd_.get(), &one, sizeof one);  // fails only if it is readable already
}

void Bell::Quiet() const {
  uint64_t count = 0;
  (void)!read(fd_.get(), &count, sizeof count);  // fails only if it was not readable
}

}  // namespace procctl::logger
