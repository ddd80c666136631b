// PEM files of one party of an mTLS connection.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "proto/support/peer_identity.h"

namespace procctl {

struct TlsFiles {
  std::string ca;    // path: certificates of the CA that signs the other side
  std::string cert;  // path: own certificate, leaf first
  std::string key;   // path: own private key
};

struct TlsPem {
  std::string ca;
  std::string cert;
  std::string key;
};

// What a certificate says.
struct CertificateFacts {
  Identity identity;
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
};

// Reads the three files. Fails with what to do next: a file missing or unreadable (NOT_FOUND,
// PERMISSION_DENIED), a key that group or others can read (FAILED_PRECONDITION), not PEM, or a key
// that does not belong to the certificate (INVALID_ARGUMENT). Does not check dates or the chain:
// the other side does, and an expired certificate must be reported, not hidden.
absl::StatusOr<TlsPem> ReadTls(const TlsFiles& files);

// Parses the first certificate in `pem`. INVALID_ARGUMENT if it is none of ours.
absl::StatusOr<CertificateFacts> ReadCertificate(const std::string& pem);

}  // namespace procctl
