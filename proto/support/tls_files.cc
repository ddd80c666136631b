#include "proto/support/tls_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>

#include "proto/support/openssl_ptr.h"
#include "proto/support/unique_fd.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr size_t kMostBytes = 1 << 20;

absl::Status CannotRead(std::string_view what, const std::string& path, int error) {
  if (error == ENOENT) {
    return absl::NotFoundError(fmt::format(
        "the {} file {} does not exist; `procctl-controller init` makes it", what, path));
  }
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(
        fmt::format("this user may not read the {} file {}; check its owner and mode, and those of "
                    "the folders above it",
                    what, path));
  }
  return absl::NotFoundError(
      fmt::format("cannot read the {} file {}: {}", what, path, std::strerror(error)));
}

absl::StatusOr<std::string> ReadPem(std::string_view what, const std::string& path, bool secret) {
  // Nonblocking: a path that names a FIFO must not hold the program up.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return CannotRead(what, path, errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return CannotRead(what, path, errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        fmt::format("the {} file {} is not a regular file", what, path));
  }
  if (secret && (info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(fmt::format(
        "the private key {} is open to group or others (mode {:04o}); run: chmod 600 {}", path,
        info.st_mode & 07777, path));
  }
  std::string text(kMostBytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotRead(what, path, errno);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  if (size > kMostBytes) {
    return absl::InvalidArgumentError(
        fmt::format("the {} file {} is over 1 MiB; this is no PEM file of ours", what, path));
  }
  text.resize(size);
  return text;
}

std::chrono::system_clock::time_point ToTime(const ASN1_TIME* time) {
  std::tm fields{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&fields));
}

}  // namespace

absl::StatusOr<TlsPem> ReadTls(const TlsFiles& files) {
  TlsPem pem;
  auto ca = ReadPem("CA", files.ca, /*secret=*/false);
  if (!ca.ok()) return ca.status();
  auto cert = ReadPem("certificate", files.cert, /*secret=*/false);
  if (!cert.ok()) return cert.status();
  auto key = ReadPem("key", files.key, /*secret=*/true);
  if (!key.ok()) return key.status();

  const auto not_pem = [](std::string_view what, const std::string& path) {
    return absl::InvalidArgumentError(
        fmt::format("{} holds no {} in PEM form; is it the right file?", path, what));
  };
  if (ParseCertificate(*ca) == nullptr) return not_pem("CA certificate", files.ca);
  const X509Ptr certificate = ParseCertificate(*cert);
  if (certificate == nullptr) return not_pem("certificate", files.cert);
  const EvpPkeyPtr private_key = ParsePrivateKey(*key);
  if (private_key == nullptr) return not_pem("private key without a passphrase", files.key);
  const bool belongs = X509_check_private_key(certificate.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (!belongs) {
    return absl::InvalidArgumentError(
        fmt::format("the key {} does not belong to the certificate {}; they must come from the "
                    "same folder of `procctl-controller init`",
                    files.key, files.cert));
  }
  return TlsPem{std::move(*ca), std::move(*cert), std::move(*key)};
}

absl::StatusOr<CertificateFacts> ReadCertificate(const std::string& pem) {
  const X509Ptr certificate = ParseCertificate(pem);
  if (certificate == nullptr) return absl::InvalidArgumentError("no certificate in PEM form");
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  std::string uri;
  int uris = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    ++uris;
    const ASN1_IA5STRING* value = name->d.uniformResourceIdentifier;
    uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
               static_cast<size_t>(ASN1_STRING_length(value)));
  }
  if (uris != 1) {
    return absl::InvalidArgumentError(
        fmt::format("the certificate holds {} URI names; exactly one is needed", uris));
  }
  auto identity = ParseSpiffeId(uri);
  if (!identity.ok()) return identity.status();
  return CertificateFacts{std::move(*identity), ToTime(X509_get0_notBefore(certificate.get())),
                          ToTime(X509_get0_notAfter(certificate.get()))};
}

}  // namespace procctl
