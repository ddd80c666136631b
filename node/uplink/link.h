// The uplink's end of the link to the guardian: packets of a SOCK_SEQPACKET socketpair in and out.
// Used by one thread; never blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "procctl/v1/link.pb.h"
#include "proto/support/unique_fd.h"

namespace procctl::uplink {

inline constexpr std::size_t kMaxUpBytes = 128 * 1024;
inline constexpr std::size_t kMaxDownBytes = 64 * 1024;

// FAILED_PRECONDITION unless `fd` is one end of a SOCK_SEQPACKET socket of AF_UNIX.
absl::Status CheckLinkSocket(int fd);

class Link {
 public:
  explicit Link(UniqueFd fd);

  int fd() const { return fd_.get(); }

  struct Received {
    enum class Kind { kMessage, kNothing, kMalformed, kClosed };
    Kind kind = Kind::kNothing;
    v1::LinkUp message;
  };
  // The next packet. kNothing: none is there now. kMalformed: too large or no LinkUp; it is gone.
  // kClosed: the guardian has ended and everything it sent was received.
  Received Receive();

  // kBlocked: nothing was sent, wait until fd() is writable. kFailed: the message cannot be sent at
  // all (the guardian has gone, which Receive tells, or it is too large).
  enum class Sent { kYes, kBlocked, kFailed };
  Sent Send(const v1::LinkDown& message);

 private:
  UniqueFd fd_;
  std::vector<char> buffer_;
};

}  // namespace procctl::uplink
