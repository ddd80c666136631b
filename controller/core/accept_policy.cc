#include "controller/core/accept_policy.h"

#include <algorithm>
#include <cerrno>

namespace procctl::controller {

AcceptAction JudgeAccept(int error, int fd, int ceiling) {
  switch (error) {
    case 0:
      return fd >= ceiling ? AcceptAction::kShed : AcceptAction::kHandOver;
    case EAGAIN:
      return AcceptAction::kWait;
    case EMFILE:
    case ENFILE:
      return AcceptAction::kUseReserve;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EFAULT:
      return AcceptAction::kBroken;
    case ENOMEM:
    case ENOBUFS:
      return AcceptAction::kBackOff;
    default:
      // EINTR, ECONNABORTED, EPERM (a firewall rule), and the network errors that Linux passes up
      // from the new socket (accept(2)).
      return AcceptAction::kRetry;
  }
}

std::chrono::milliseconds AcceptPause(int consecutive) {
  return std::chrono::milliseconds(std::min(1000, 10 << std::clamp(consecutive, 0, 7)));
}

int AcceptCeiling(int descriptor_limit) {
  return descriptor_limit - std::min(32, descriptor_limit / 4);
}

}  // namespace procctl::controller
