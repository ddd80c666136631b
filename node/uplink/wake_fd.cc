#include "node/uplink/wake_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "proto/support/logging.h"

namespace procctl::uplink {

WakeFd::WakeFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_.ok()) Fatal("eventfd failed: no descriptors or no memory at the start");
}

void WakeFd::Wake() const {
  const std::uint64_t one = 1;
  // Fails only if the counter is full: then the fd is readable already.
  (void)!write(fd_.get(), &one, sizeof(one));
}

void WakeFd::Drain() const {
  std::uint64_t count = 0;
  (void)!read(fd_.get(), &count, sizeof(count));  // EAGAIN: nobody woke us.
}

}  // namespace procctl::uplink
