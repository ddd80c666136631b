// One TCP peer as the book of newcomers knows it, from the socket and from what gRPC says of it.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string_view>

#include "controller/core/newcomer_book.h"

namespace procctl::controller {

// Of an AF_INET or AF_INET6 address. An IPv4 address in IPv6's clothes counts as what it is.
// Empty: another family.
std::optional<PeerKey> PeerKeyOf(const sockaddr_storage& peer);

// Of ServerContext::peer(): "ipv4:10.0.0.1:4242" or "ipv6:%5B::1%5D:4242". Empty: another kind.
std::optional<PeerKey> PeerKeyOf(std::string_view uri);

}  // namespace procctl::controller
