#include "proto/support/tls_probe.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <ctime>
#include <string_view>
#include <vector>

#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/openssl_ptr.h"
#include "proto/support/tcp_connect.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

using SystemClock = std::chrono::system_clock;

constexpr unsigned char kAlpn[] = {2, 'h', '2'};
constexpr size_t kChunk = 16384;

bool IsIpAddress(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::string Day(SystemClock::time_point time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(SystemClock::to_time_t(time)));
}

std::string IssuerOf(const X509* certificate) {
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, name, sizeof(name));
  return Printable(name);
}

// The names a certificate is for: DNS and IP.
std::string NamesOf(const X509* certificate) {
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const auto* bytes = ASN1_STRING_get0_data(value);
    const auto size = static_cast<size_t>(ASN1_STRING_length(value));
    if (name->type == GEN_DNS) {
      out.push_back(Printable({reinterpret_cast<const char*>(bytes), size}));
    } else if (char text[INET6_ADDRSTRLEN];
               (size == 4 || size == 16) &&
               inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) != nullptr) {
      out.emplace_back(text);
    }
  }
  return out.empty() ? "no host at all" : fmt::format("{}", fmt::join(out, ", "));
}

// How the server's side of the connection ended, as far as we got.
enum class Ending { kSpoke, kClosed, kFailed, kTimedOut };

// A TLS client over a socket, through memory BIOs: OpenSSL's own socket BIO would raise SIGPIPE.
class Connection {
 public:
  Connection(UniqueFd fd, Deadline deadline, SslPtr ssl)
      : fd_(std::move(fd)), deadline_(deadline), ssl_(std::move(ssl)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    // An empty buffer means "more will come", not end of file.
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);  // owns both from here
  }

  const SSL* ssl() const { return ssl_.get(); }

  Ending Handshake() {
    return Drive([&] { return SSL_do_handshake(ssl_.get()); });
  }

  // In TLS 1.3 a server judges our certificate after we have finished. One that accepts us speaks
  // first (HTTP/2 SETTINGS); one that does not sends an alert or just closes.
  Ending AwaitVerdict() {
    char byte = 0;
    return Drive([&] { return SSL_read(ssl_.get(), &byte, 1); });
  }

 private:
  template <typename Step>
  Ending Drive(Step step) {
    for (;;) {
      ERR_clear_error();
      const int result = step();
      const int error = SSL_get_error(ssl_.get(), result);
      // Also after a failure: the alert in the buffer belongs to the peer.
      const bool sent = Flush();
      if (result > 0) return Ending::kSpoke;
      if (error == SSL_ERROR_ZERO_RETURN) return Ending::kClosed;
      if (error != SSL_ERROR_WANT_READ) return Ending::kFailed;
      // A failed write is not the end: what the server said before it closed is still to be read.
      (void)sent;
      switch (Receive()) {
        case Ending::kSpoke:
          break;
        case Ending::kClosed:
          return Ending::kClosed;
        case Ending::kFailed:
          return Ending::kFailed;
        case Ending::kTimedOut:
          return Ending::kTimedOut;
      }
    }
  }

  bool Flush() {
    char chunk[kChunk];
    for (int n = 0; (n = BIO_read(out_, chunk, sizeof(chunk))) > 0;) {
      for (int done = 0; done < n;) {
        const ssize_t m =
            send(fd_.get(), chunk + done, static_cast<size_t>(n - done), MSG_NOSIGNAL);
        if (m < 0 && errno == EINTR) continue;
        if (m < 0 && errno == EAGAIN && WaitFor(fd_.get(), /*writing=*/true, deadline_)) continue;
        if (m < 0) return false;
        done += static_cast<int>(m);
      }
    }
    return true;
  }

  Ending Receive() {
    char chunk[kChunk];
    for (;;) {
      if (!WaitFor(fd_.get(), /*writing=*/false, deadline_)) return Ending::kTimedOut;
      const ssize_t n = recv(fd_.get(), chunk, sizeof(chunk), 0);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n <= 0) return Ending::kClosed;  // end of file, or reset
      BIO_write(in_, chunk, static_cast<int>(n));
      return Ending::kSpoke;
    }
  }

  UniqueFd fd_;
  Deadline deadline_;
  SslPtr ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

// What the messages speak of.
struct Subject {
  std::string address;
  std::string expected_name;
  const TlsPem* tls;
};

absl::Status JudgeServer(const Subject& subject, const SSL* ssl, X509* server) {
  const long result = SSL_get_verify_result(ssl);
  switch (result) {
    case X509_V_OK:
      return absl::OkStatus();
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return absl::UnauthenticatedError(
          fmt::format("the certificate of the controller at {} is for {}, not for \"{}\"; connect "
                      "by one of its names, or set the server name to one",
                      subject.address, NamesOf(server), subject.expected_name));
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return absl::UnauthenticatedError(fmt::format(
          "the certificate of the controller at {} has expired; make a new one there with "
          "`procctl-controller init`",
          subject.address));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return absl::UnauthenticatedError(
          fmt::format("the certificate of the controller at {} is not valid yet; compare the "
                      "clocks of both hosts",
                      subject.address));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return absl::UnauthenticatedError(
          fmt::format("the certificate of the controller at {} is signed by another CA (\"{}\") "
                      "than the CA file holds; is it the right controller, and the ca.crt of its "
                      "fleet?",
                      subject.address, IssuerOf(server)));
    default:
      return absl::UnauthenticatedError(
          fmt::format("the certificate of the controller at {} cannot be trusted: {}",
                      subject.address, X509_verify_cert_error_string(result)));
  }
}

// Our certificate, once the server has turned us away. `reason` is the alert it sent, 0 for none.
absl::Status JudgeOurselves(const Subject& subject, int reason) {
  const X509Ptr own = ParseCertificate(subject.tls->cert);
  if (own == nullptr) {
    return absl::UnauthenticatedError(
        fmt::format("the controller at {} asks for a certificate and none was presented; name one "
                    "with --cert and --key",
                    subject.address));
  }
  const auto facts = ReadCertificate(subject.tls->cert);
  const auto now = SystemClock::now();
  if (facts.ok() && facts->not_after < now) {
    return absl::UnauthenticatedError(fmt::format(
        "your certificate ({}) expired on {}, {} ago; ask for a new one (`procctl-controller "
        "init` makes it)",
        facts->identity.ToString(), Day(facts->not_after), FormatDuration(now - facts->not_after)));
  }
  if (facts.ok() && facts->not_before > now) {
    return absl::UnauthenticatedError(
        fmt::format("your certificate ({}) is not valid before {}; compare the clocks of this host "
                    "and the one that made it",
                    facts->identity.ToString(), Day(facts->not_before)));
  }
  switch (reason) {
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return absl::UnauthenticatedError(
          fmt::format("the controller at {} says that your certificate has expired, by this host's "
                      "clock it has not; compare the clocks of both hosts",
                      subject.address));
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
      return absl::UnauthenticatedError(
          fmt::format("the controller at {} says that your certificate was revoked; ask for a new "
                      "one",
                      subject.address));
    default:
      return absl::UnauthenticatedError(
          fmt::format("the controller at {} does not accept your certificate, signed by the CA "
                      "\"{}\"; it must come from the CA of the controller's fleet",
                      subject.address, IssuerOf(own.get())));
  }
}

bool SpeaksOfCertificate(int reason) {
  switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:  // TLS 1.2 for "you sent none"
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return true;
    default:
      return false;
  }
}

absl::Status Slow(const Subject& subject, std::string_view what) {
  return absl::UnavailableError(
      fmt::format("the port at {} accepts connections but {}; is it a procctl-controller, and is "
                  "it overloaded?",
                  subject.address, what));
}

absl::Status Judge(const Subject& subject, Connection* connection) {
  Ending ending = connection->Handshake();
  const X509Ptr server(SSL_get1_peer_certificate(connection->ssl()));
  const bool finished = ending == Ending::kSpoke;
  if (server == nullptr) {
    switch (ending) {
      case Ending::kTimedOut:
        return Slow(subject, "answered no TLS handshake in time");
      case Ending::kClosed:
        return absl::UnavailableError(fmt::format(
            "the controller at {} closed the connection at once: it is overloaded or going down; "
            "try again in a few seconds",
            subject.address));
      case Ending::kSpoke:
      case Ending::kFailed: {
        const unsigned long code = ERR_peek_error();
        const bool alert = ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET;
        const std::string detail = TakeOpensslError();
        if (alert) {
          return absl::UnavailableError(fmt::format(
              "the controller at {} refused the TLS handshake: {}", subject.address, detail));
        }
        return absl::UnavailableError(fmt::format(
            "the port at {} does not speak TLS ({}); procctl's controllers always do: is this the "
            "right port?",
            subject.address, detail));
      }
    }
  }
  if (auto s = JudgeServer(subject, connection->ssl(), server.get()); !s.ok()) return s;
  if (finished) ending = connection->AwaitVerdict();
  switch (ending) {
    case Ending::kSpoke:
      return absl::OkStatus();
    case Ending::kTimedOut:
      return Slow(subject, "said nothing after the TLS handshake");
    case Ending::kClosed:
      // gRPC's servers close without an alert when they refuse a certificate.
      return JudgeOurselves(subject, 0);
    case Ending::kFailed:
      break;
  }
  const int reason = ERR_GET_REASON(ERR_peek_error());
  const std::string detail = TakeOpensslError();
  if (SpeaksOfCertificate(reason)) return JudgeOurselves(subject, reason);
  return absl::UnavailableError(
      fmt::format("the TLS connection to {} failed: {}", subject.address, detail));
}

// A context that records what is wrong with the server's certificate but goes on, so that the
// server's word about ours is heard too. Nothing secret is ever sent over it.
absl::StatusOr<SslPtr> MakeClient(const std::string& name, const TlsPem& tls) {
  const SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  const BioPtr ca = ReadingBio(tls.ca);
  for (;;) {
    const X509Ptr trusted(PEM_read_bio_X509(ca.get(), nullptr, nullptr, nullptr));
    if (trusted == nullptr) break;
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), trusted.get());
  }
  if (const X509Ptr own = ParseCertificate(tls.cert); own != nullptr) {
    const EvpPkeyPtr key = ParsePrivateKey(tls.key);
    if (key == nullptr || SSL_CTX_use_certificate(context.get(), own.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
      return absl::InvalidArgumentError(
          fmt::format("your key and certificate cannot be used: {}", TakeOpensslError()));
    }
  }
  SslPtr ssl(SSL_new(context.get()));
  SSL_set_connect_state(ssl.get());
  SSL_set_alpn_protos(ssl.get(), kAlpn, sizeof(kAlpn));
  if (IsIpAddress(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
    SSL_set1_host(ssl.get(), name.c_str());
  }
  ERR_clear_error();
  return ssl;
}

}  // namespace

absl::Status SplitAddress(const std::string& address, std::string* host, std::string* port) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not HOST:PORT: {}; write for example ctl.example:7443",
                    Printable(address), why));
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return refuse("the port is missing");
  std::string name = address.substr(0, colon);
  std::string number = address.substr(colon + 1);
  if (!name.empty() && name.front() == '[') {
    if (name.back() != ']') return refuse("the port is missing after the bracket");
    name = name.substr(1, name.size() - 2);
    if (!IsIpAddress(name)) return refuse("there is no IPv6 address between the brackets");
  } else if (name.find(':') != std::string::npos) {
    return refuse("an IPv6 address needs brackets");
  }
  if (name.empty()) return refuse("the host is missing");
  if (name.find_first_of(" \t\r\n/@") != std::string::npos) {
    return refuse("the host holds a character that no host name has");
  }
  int value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || value < 1 || value > 65535) {
    return refuse("the port is not a number from 1 to 65535");
  }
  *host = std::move(name);
  *port = std::move(number);
  return absl::OkStatus();
}

absl::Status ProbeTls(const std::string& address, const std::string& server_name, const TlsPem& tls,
                      std::chrono::milliseconds timeout) {
  std::string host;
  std::string port;
  if (auto s = SplitAddress(address, &host, &port); !s.ok()) return s;
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const std::string& expected = server_name.empty() ? host : server_name;
  auto ssl = MakeClient(expected, tls);
  if (!ssl.ok()) return ssl.status();
  auto fd = ConnectTcp(host, port, deadline);
  if (!fd.ok()) return fd.status();
  Connection connection(std::move(*fd), deadline, std::move(*ssl));
  const Subject subject{address, expected, &tls};
  return Judge(subject, &connection);
}

}  // namespace procctl
