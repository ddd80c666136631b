// A throw-away fleet: a CA and any certificates in a temporary folder that goes with it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "controller/pki/authority.h"
#include "proto/support/tls_files.h"

namespace procctl::testing {

// A folder of its own, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  // Writes a file into it and returns its path.
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) const;

 private:
  std::string path_;
};

class TestFleet {
 public:
  explicit TestFleet(const std::string& fleet = "test");

  // For localhost, 127.0.0.1 and ::1 unless `hosts` says otherwise.
  TlsFiles Controller(std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"});
  TlsFiles Issue(Role role, const std::string& id);
  // A certificate whose lifetime of an hour ended, or begins, away from now.
  TlsFiles Expired(Role role, const std::string& id);
  TlsFiles NotYetValid(Role role, const std::string& id);

 private:
  TlsFiles Make(CertificateRequest request);

  TemporaryFolder folder_;
  Authority authority_;
  int made_ = 0;
};

// Aborts the test program if the files cannot be read.
TlsPem Read(const TlsFiles& files);

}  // namespace procctl::testing
