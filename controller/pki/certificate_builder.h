// X.509 certificates of one fleet, in memory. Pure apart from OpenSSL's random numbers: the time
// comes in as an argument.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/support/openssl_ptr.h"
#include "proto/support/peer_identity.h"

namespace procctl {

struct Validity {
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
};

// ECDSA P-256: a handshake with it costs a tenth of what RSA would.
absl::StatusOr<EvpPkeyPtr> MakeKey();

// Self-signed; may sign leaves and nothing else. Carries spiffe://<fleet> as its name, so that the
// fleet can be read back from it.
absl::StatusOr<X509Ptr> MakeCaCertificate(const std::string& fleet, EVP_PKEY* key,
                                          const Validity& validity);

// Exactly one URI name, from `identity`; `hosts` become DNS and IP names. Controllers may be
// servers and clients, everybody else only clients. `identity` and `hosts` must have been checked.
absl::StatusOr<X509Ptr> MakeLeafCertificate(const Identity& identity,
                                            const std::vector<std::string>& hosts, EVP_PKEY* key,
                                            X509* ca, EVP_PKEY* ca_key, const Validity& validity);

// True if `host` is an IP address or could be a DNS name (a leading "*." is allowed).
bool IsValidHost(const std::string& host);

// The fleet in a CA's certificate.
absl::StatusOr<std::string> FleetOf(const X509* ca);

std::string ToPem(X509* certificate);
std::string ToPem(EVP_PKEY* key);

}  // namespace procctl
