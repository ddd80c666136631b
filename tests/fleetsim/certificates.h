// Certificates of simulated nodes, one each, signed by the fleet's CA and kept in one file so that
// a second run begins at once. They are real node certificates: the file is as secret as the CA
// that lies beside it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/pki/authority.h"

namespace procctl::fleetsim {

struct Certificates {
  std::string ca;            // PEM
  std::vector<Leaf> leaves;  // in the order of the ids asked for
};

// `init_dir`: what `procctl-controller init --dir` made. Missing certificates are made and the file
// DIR/fleetsim/PREFIX.pem is written anew; one of another CA is replaced.
absl::StatusOr<Certificates> TakeCertificates(const std::string& init_dir,
                                              const std::string& prefix,
                                              const std::vector<std::string>& ids);

}  // namespace procctl::fleetsim
