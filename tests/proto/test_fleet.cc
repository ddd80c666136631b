#include "tests/proto/test_fleet.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "proto/support/logging.h"

namespace procctl::testing {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Fatal(value.status().ToString());
  return std::move(*value);
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "procctl-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) Fatal("no temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // a test's leftovers must not hide its result
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::Write(const std::string& name, const std::string& text,
                                   mode_t mode) const {
  std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  if (chmod(path.c_str(), mode) != 0) Fatal("cannot change the mode of " + path);
  return path;
}

TestFleet::TestFleet(const std::string& fleet)
    : authority_(OrDie(Authority::Create(folder_.path() + "/ca", fleet))) {}

TlsFiles TestFleet::Controller(std::vector<std::string> hosts) {
  CertificateRequest request;
  request.role = Role::kController;
  request.id = "ctl-1";
  request.hosts = std::move(hosts);
  return Make(std::move(request));
}

TlsFiles TestFleet::Issue(Role role, const std::string& id) {
  CertificateRequest request;
  request.role = role;
  request.id = id;
  return Make(std::move(request));
}

TlsFiles TestFleet::Expired(Role role, const std::string& id) {
  CertificateRequest request;
  request.role = role;
  request.id = id;
  if (role == Role::kController) request.hosts = {"localhost"};
  request.starts_in = std::chrono::hours(-3);
  return Make(std::move(request));
}

TlsFiles TestFleet::NotYetValid(Role role, const std::string& id) {
  CertificateRequest request;
  request.role = role;
  request.id = id;
  request.starts_in = std::chrono::hours(3);
  return Make(std::move(request));
}

TlsFiles TestFleet::Make(CertificateRequest request) {
  request.lifetime = std::chrono::hours(1);
  const std::string dir = folder_.path() + "/" + std::to_string(++made_);
  if (auto s = authority_.Issue(request, dir); !s.ok()) Fatal(s.ToString());
  return {dir + "/ca.crt", dir + "/cert.pem", dir + "/key.pem"};
}

TlsPem Read(const TlsFiles& files) { return OrDie(ReadTls(files)); }

}  // namespace procctl::testing
