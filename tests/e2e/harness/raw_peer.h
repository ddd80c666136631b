// A peer that says whatever bytes a test wants: TCP, TLS with a fleet's certificate or not at all,
// and as much HTTP/2 as it takes to be a nuisance. Blocking, with time limits.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/support/openssl_ptr.h"
#include "proto/support/tls_files.h"
#include "proto/support/unique_fd.h"

namespace procctl::e2e {

class RawPeer {
 public:
  // Connects to `address` (127.0.0.1:port) from `source`, another address of loopback: what is
  // counted by address must not meet the test's own callers. ok() is false where it was refused.
  RawPeer(const std::string& address, const char* source);

  bool ok() const { return fd_.ok(); }
  // False: the other side refused or closed.
  bool ShakeHands(const TlsPem& tls);
  // In plain before ShakeHands, inside TLS after it. False: the connection is gone, or takes
  // nothing for some seconds.
  bool Write(std::string_view bytes);
  // Until the other side ends the connection; what it says meanwhile is thrown away.
  bool AwaitEnd(std::chrono::milliseconds limit);
  // Throws away what has come. False: the connection is gone.
  bool Drain();

 private:
  UniqueFd fd_;
  SslCtxPtr context_;
  SslPtr ssl_;
};

// HTTP/2, as bytes.
namespace h2 {

std::string Preface();  // with empty SETTINGS
// Begins a call of a method, e.g. "/procctl.v1.FleetService/ListSlots".
std::string Headers(std::uint32_t stream, std::string_view method);
std::string Data(std::uint32_t stream, std::string_view bytes, bool end);
std::string Reset(std::uint32_t stream);
// gRPC's frame around a message that is said to have `size` bytes.
std::string MessagePrefix(std::uint32_t size);

}  // namespace h2

}  // namespace procctl::e2e
