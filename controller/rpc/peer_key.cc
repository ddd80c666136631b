#include "controller/rpc/peer_key.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

namespace procctl::controller {
namespace {

constexpr std::size_t kNetworkBytes = 8;  // an IPv6 /64

std::string Bytes(const void* from, std::size_t size) {
  return std::string(static_cast<const char*>(from), size);
}

// `port` as on the wire.
PeerKey KeyOfV4(const in_addr& address, std::uint16_t port) {
  std::string bytes = Bytes(&address, sizeof(address));
  return {bytes, bytes + Bytes(&port, sizeof(port))};
}

PeerKey KeyOfV6(const in6_addr& address, std::uint16_t port) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr v4 = {};
    std::memcpy(&v4, &address.s6_addr[12], sizeof(v4));
    return KeyOfV4(v4, port);
  }
  const std::string bytes = Bytes(&address, sizeof(address));
  return {bytes.substr(0, kNetworkBytes), bytes + Bytes(&port, sizeof(port))};
}

// Of the brackets, which gRPC writes as in a URI.
std::string WithoutPercents(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned int byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
            text.data() + i + 3) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

std::optional<PeerKey> PeerKeyOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return KeyOfV4(v4.sin_addr, v4.sin_port);
  }
  if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    return KeyOfV6(v6.sin6_addr, v6.sin6_port);
  }
  return std::nullopt;
}

std::optional<PeerKey> PeerKeyOf(std::string_view uri) {
  const std::string text = WithoutPercents(uri);
  const std::size_t begin = text.find(':');
  const std::size_t colon = text.rfind(':');
  if (begin == std::string::npos || colon <= begin) return std::nullopt;
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, port);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  port = htons(port);
  std::string host = text.substr(begin + 1, colon - begin - 1);
  if (text.rfind("ipv4:", 0) == 0) {
    in_addr v4 = {};
    if (inet_pton(AF_INET, host.c_str(), &v4) != 1) return std::nullopt;
    return KeyOfV4(v4, port);
  }
  if (text.rfind("ipv6:", 0) != 0 || host.size() < 2 || host.front() != '[' || host.back() != ']') {
    return std::nullopt;
  }
  // A link-local address comes with its interface, which the bytes do not hold.
  host = host.substr(1, host.find_first_of("%]") - 1);
  in6_addr v6 = {};
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return std::nullopt;
  return KeyOfV6(v6, port);
}

}  // namespace procctl::controller
