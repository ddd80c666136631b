#include "controller/pki/authority.h"

#include <ctime>

#include "controller/pki/certificate_builder.h"
#include "controller/pki/safe_files.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/tls_files.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

using SystemClock = std::chrono::system_clock;

constexpr auto kCaLifetime = std::chrono::hours(24) * 3652;
constexpr auto kBackdated = std::chrono::minutes(5);

std::string CertificatePath(const std::string& dir) { return dir + "/ca.crt"; }
std::string KeyPath(const std::string& dir) { return dir + "/ca.key"; }

absl::Status Check(const Identity& identity, const CertificateRequest& request) {
  // Round trip through the parser that every peer uses: what is issued will be understood.
  const auto parsed =
      ParseSpiffeId(fmt::format("spiffe://{}/{}", identity.fleet, identity.ToString()));
  // Ids become folder names: none may climb out.
  if (!parsed.ok() || identity.id.front() == '.' || identity.id.front() == '-') {
    const bool machine = request.role == Role::kNode || request.role == Role::kController;
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" cannot be the id of a {}; use 1 to 63 of {}, beginning with neither . nor -",
        Printable(identity.id), RoleName(request.role),
        machine ? "[a-z0-9.-]" : "[A-Za-z0-9._@+-]"));
  }
  for (const std::string& host : request.hosts) {
    if (IsValidHost(host)) continue;
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is neither a host name nor an IP address (give no port here)", Printable(host)));
  }
  if (request.role == Role::kController && request.hosts.empty()) {
    return absl::InvalidArgumentError(
        "a controller's certificate needs the names it is reached by: --host NAME[,NAME|IP]");
  }
  if (request.lifetime <= std::chrono::seconds(0)) {
    return absl::InvalidArgumentError("the lifetime of a certificate must be positive");
  }
  return absl::OkStatus();
}

SystemClock::time_point NotAfter(const X509* certificate) {
  std::tm fields{};
  ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &fields);
  return SystemClock::from_time_t(timegm(&fields));
}

}  // namespace

absl::StatusOr<Authority> Authority::Create(const std::string& dir, const std::string& fleet) {
  if (!IsValidNodeId(fleet)) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" cannot name a fleet; use 1 to 63 of [a-z0-9.-]", Printable(fleet)));
  }
  if (FileExists(KeyPath(dir))) {
    return absl::AlreadyExistsError(fmt::format(
        "{} exists: a CA is never replaced, every certificate hangs on it", KeyPath(dir)));
  }
  if (auto s = MakeFolders(dir); !s.ok()) return s;
  auto key = MakeKey();
  if (!key.ok()) return key.status();
  const auto now = SystemClock::now();
  auto certificate = MakeCaCertificate(fleet, key->get(), {now - kBackdated, now + kCaLifetime});
  if (!certificate.ok()) return certificate.status();
  if (auto s = WriteFileSafely(CertificatePath(dir), ToPem(certificate->get()), 0644,
                               Existing::kReplace);
      !s.ok()) {
    return s;
  }
  if (auto s = WriteFileSafely(KeyPath(dir), ToPem(key->get()), 0600, Existing::kRefuse); !s.ok()) {
    return s;
  }
  return Authority(fleet, std::move(*certificate), std::move(*key));
}

absl::StatusOr<Authority> Authority::Open(const std::string& dir) {
  if (!FileExists(KeyPath(dir))) {
    return absl::NotFoundError(fmt::format("there is no CA in {}", dir));
  }
  auto pem = ReadTls({CertificatePath(dir), CertificatePath(dir), KeyPath(dir)});
  if (!pem.ok()) return pem.status();
  X509Ptr certificate = ParseCertificate(pem->cert);
  EvpPkeyPtr key = ParsePrivateKey(pem->key);
  if (X509_check_ca(certificate.get()) != 1) {
    return absl::InvalidArgumentError(CertificatePath(dir) + " is not the certificate of a CA");
  }
  auto fleet = FleetOf(certificate.get());
  if (!fleet.ok()) return fleet.status();
  return Authority(std::move(*fleet), std::move(certificate), std::move(key));
}

absl::StatusOr<Leaf> Authority::Certify(const CertificateRequest& request) const {
  const Identity identity{fleet_, request.role, request.id};
  if (auto s = Check(identity, request); !s.ok()) return s;
  const auto start = SystemClock::now() + request.starts_in;
  const Validity validity{start - kBackdated, start + request.lifetime};
  if (validity.not_after > NotAfter(certificate_.get())) {
    return absl::FailedPreconditionError(
        fmt::format("a lifetime of {} would outlive the CA itself; ask for less",
                    FormatDuration(request.lifetime)));
  }
  auto key = MakeKey();
  if (!key.ok()) return key.status();
  auto leaf = MakeLeafCertificate(identity, request.hosts, key->get(), certificate_.get(),
                                  key_.get(), validity);
  if (!leaf.ok()) return leaf.status();
  return Leaf{ToPem(leaf->get()), ToPem(key->get())};
}

std::string Authority::certificate() const { return ToPem(certificate_.get()); }

absl::Status Authority::Issue(const CertificateRequest& request, const std::string& out_dir) const {
  // Before the file is looked for: an id that climbs out of its folder must not even be looked up.
  if (auto s = Check({fleet_, request.role, request.id}, request); !s.ok()) return s;
  const std::string key_path = out_dir + "/key.pem";
  if (FileExists(key_path)) {
    return absl::AlreadyExistsError(fmt::format(
        "{} exists and is not overwritten; remove its folder to get a new one", key_path));
  }
  const auto leaf = Certify(request);
  if (!leaf.ok()) return leaf.status();
  if (auto s = MakeFolders(out_dir); !s.ok()) return s;
  if (auto s = WriteFileSafely(out_dir + "/ca.crt", certificate(), 0644, Existing::kReplace);
      !s.ok()) {
    return s;
  }
  if (auto s = WriteFileSafely(out_dir + "/cert.pem", leaf->cert, 0644, Existing::kReplace);
      !s.ok()) {
    return s;
  }
  return WriteFileSafely(key_path, leaf->key, 0600, Existing::kRefuse);
}

}  // namespace procctl
