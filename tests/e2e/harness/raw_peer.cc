#include "tests/e2e/harness/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>

#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

constexpr timeval kMostWait = {5, 0};

std::string Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string frame;
  for (const int shift : {16, 8, 0}) frame += static_cast<char>(size >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  frame += payload;
  return frame;
}

// Literal without indexing, new name; both below 127 bytes.
std::string Field(std::string_view name, std::string_view value) {
  std::string field(1, '\0');
  field += static_cast<char>(name.size());
  field += name;
  field += static_cast<char>(value.size());
  field += value;
  return field;
}

}  // namespace

RawPeer::RawPeer(const std::string& address, const char* source) {
  sockaddr_in from = {};
  from.sin_family = AF_INET;
  inet_pton(AF_INET, source, &from.sin_addr);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  const size_t colon = address.rfind(':');
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  fd_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd_.ok()) throw HarnessError("socket: too few descriptors for this test itself");
  (void)setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kMostWait, sizeof(kMostWait));
  (void)setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kMostWait, sizeof(kMostWait));
  if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&from), sizeof(from)) != 0 ||
      connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    fd_.Reset();
  }
}

bool RawPeer::ShakeHands(const TlsPem& tls) {
  if (!ok()) return false;
  context_.reset(SSL_CTX_new(TLS_client_method()));
  const X509Ptr certificate = ParseCertificate(tls.cert);
  const EvpPkeyPtr key = ParsePrivateKey(tls.key);
  SSL_CTX_use_certificate(context_.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context_.get(), key.get());
  constexpr std::array<unsigned char, 3> kAlpn = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context_.get(), kAlpn.data(), kAlpn.size());
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), fd_.get());
  const bool done = SSL_connect(ssl_.get()) == 1;
  ERR_clear_error();
  if (!done) ssl_.reset();
  return done;
}

bool RawPeer::Write(std::string_view bytes) {
  while (ok() && !bytes.empty()) {
    ssize_t written = 0;
    if (ssl_ != nullptr) {
      written = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      ERR_clear_error();
    } else {
      written = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (written < 0 && errno == EINTR) continue;
    }
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return ok();
}

bool RawPeer::Drain() {
  std::array<char, 16384> trash;
  for (;;) {
    const ssize_t got = recv(fd_.get(), trash.data(), trash.size(), MSG_DONTWAIT);
    if (got > 0) continue;
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
}

bool RawPeer::AwaitEnd(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (ok() && Drain()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait = {fd_.get(), POLLIN, 0};
    (void)poll(&wait, 1, static_cast<int>(left.count()));
  }
  return true;
}

namespace h2 {

std::string Preface() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, ""); }

std::string Headers(std::uint32_t stream, std::string_view method) {
  const std::string fields = Field(":method", "POST") + Field(":scheme", "https") +
                             Field(":path", method) + Field(":authority", "localhost") +
                             Field("te", "trailers") + Field("content-type", "application/grpc");
  return Frame(1, /*END_HEADERS*/ 4, stream, fields);
}

std::string Data(std::uint32_t stream, std::string_view bytes, bool end) {
  return Frame(0, end ? 1 : 0, stream, bytes);
}

std::string Reset(std::uint32_t stream) {
  return Frame(3, 0, stream, std::string_view("\0\0\0\x08", 4));  // CANCEL
}

std::string MessagePrefix(std::uint32_t size) {
  std::string prefix(1, '\0');
  for (const int shift : {24, 16, 8, 0}) prefix += static_cast<char>(size >> shift);
  return prefix;
}

}  // namespace h2

}  // namespace procctl::e2e
