#include "controller/rpc/listen_address.h"

#include <string_view>

#include "proto/support/tls_probe.h"

namespace procctl::controller {

absl::Status SplitListenAddress(const std::string& address, std::string* host, std::string* port) {
  // Nobody can connect to port 0, so the general rule refuses it.
  constexpr std::string_view kAny = ":0";
  const bool any = std::string_view(address).ends_with(kAny);
  const std::string checked =
      any ? address.substr(0, address.size() - kAny.size()) + ":1" : address;
  absl::Status split = SplitAddress(checked, host, port);
  if (split.ok() && any) *port = "0";
  return split;
}

}  // namespace procctl::controller
