// The certificate authority of one fleet: a folder with ca.crt and ca.key.
//
// Whoever holds ca.key owns the fleet. It is used here and nowhere else: no daemon reads it.
// Not thread-safe; one process at a time works on a folder.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/support/openssl_ptr.h"
#include "proto/support/peer_identity.h"

namespace procctl {

struct CertificateRequest {
  Role role = Role::kNode;
  std::string id;
  // DNS names and IP addresses that a controller is reached by; empty for everybody else.
  std::vector<std::string> hosts;
  std::chrono::seconds lifetime{0};
  // From now to the start of the lifetime; negative makes a certificate that began in the past.
  std::chrono::seconds starts_in{0};
};

// PEM, as in the files that Issue writes.
struct Leaf {
  std::string cert;
  std::string key;
};

class Authority {
 public:
  // Makes a new CA (ten years) in `dir`. ALREADY_EXISTS if there is one: it is never replaced.
  static absl::StatusOr<Authority> Create(const std::string& dir, const std::string& fleet);

  // NOT_FOUND if `dir` holds no CA.
  static absl::StatusOr<Authority> Open(const std::string& dir);

  const std::string& fleet() const { return fleet_; }

  // Makes a key and a certificate and writes ca.crt, cert.pem and key.pem (0600) into `out_dir`,
  // the key last: where key.pem is, the other two are. ALREADY_EXISTS, with nothing changed, if
  // key.pem is there. INVALID_ARGUMENT for a bad id, host or lifetime, FAILED_PRECONDITION if the
  // certificate would outlive the CA. Dates are backdated by five minutes for clocks that differ.
  absl::Status Issue(const CertificateRequest& request, const std::string& out_dir) const;

  // The same in memory alone: whoever asks keeps the key.
  absl::StatusOr<Leaf> Certify(const CertificateRequest& request) const;

  // The CA's certificate, PEM.
  std::string certificate() const;

 private:
  Authority(std::string fleet, X509Ptr certificate, EvpPkeyPtr key)
      : fleet_(std::move(fleet)), certificate_(std::move(certificate)), key_(std::move(key)) {}

  std::string fleet_;
  X509Ptr certificate_;
  EvpPkeyPtr key_;
};

}  // namespace procctl
