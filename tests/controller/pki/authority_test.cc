#include "controller/pki/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "controller/pki/safe_files.h"
#include "proto/support/tls_files.h"
#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

std::string TextOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

CertificateRequest Request(Role role, const std::string& id) {
  CertificateRequest request;
  request.role = role;
  request.id = id;
  request.lifetime = 1h;
  if (role == Role::kController) request.hosts = {"ctl.example", "127.0.0.1", "::1"};
  return request;
}

// What OpenSSL says of a certificate for a purpose, with the CA as the only thing trusted.
int Verify(const std::string& ca_pem, const std::string& pem, int purpose) {
  const X509Ptr ca = ParseCertificate(ca_pem);
  const X509Ptr leaf = ParseCertificate(pem);
  const X509StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), ca.get());
  const X509StoreCtxPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context.get()), X509_V_FLAG_X509_STRICT);
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

class AuthorityTest : public ::testing::Test {
 protected:
  AuthorityTest() : authority_(Authority::Create(dir(), "prod")) {}
  std::string dir() const { return folder_.path() + "/ca"; }
  std::string out(const std::string& name) const { return folder_.path() + "/out/" + name; }
  TlsPem Issue(const CertificateRequest& request, const std::string& name) {
    EXPECT_EQ(authority_->Issue(request, out(name)), absl::OkStatus());
    return testing::Read({out(name) + "/ca.crt", out(name) + "/cert.pem", out(name) + "/key.pem"});
  }

  testing::TemporaryFolder folder_;
  absl::StatusOr<Authority> authority_;
};

TEST_F(AuthorityTest, CertificatesHoldUnderStrictVerification) {
  const TlsPem node = Issue(Request(Role::kNode, "web-01"), "node");
  const TlsPem controller = Issue(Request(Role::kController, "ctl-1"), "controller");
  EXPECT_EQ(Verify(node.ca, node.cert, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
  EXPECT_EQ(Verify(controller.ca, controller.cert, X509_PURPOSE_SSL_SERVER), X509_V_OK);
  EXPECT_EQ(Verify(controller.ca, controller.cert, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
}

// A stolen node key must not be able to pose as a controller.
TEST_F(AuthorityTest, ANodeOrAPersonCannotBeAServer) {
  for (const Role role : {Role::kNode, Role::kViewer, Role::kOperator, Role::kAdmin}) {
    const std::string name(RoleName(role));
    const TlsPem pem = Issue(Request(role, "x1"), name);
    EXPECT_EQ(Verify(pem.ca, pem.cert, X509_PURPOSE_SSL_SERVER), X509_V_ERR_INVALID_PURPOSE);
  }
}

TEST_F(AuthorityTest, ALeafCannotSignCertificates) {
  const TlsPem pem = Issue(Request(Role::kController, "ctl-1"), "controller");
  const X509Ptr leaf = ParseCertificate(pem.cert);
  EXPECT_EQ(X509_check_ca(leaf.get()), 0);
  EXPECT_NE(X509_get_key_usage(leaf.get()) & KU_DIGITAL_SIGNATURE, 0U);
  EXPECT_EQ(X509_get_key_usage(leaf.get()) & KU_KEY_CERT_SIGN, 0U);
}

TEST_F(AuthorityTest, HasExactlyOneUriAndTheHostsAsked) {
  const TlsPem pem = Issue(Request(Role::kController, "ctl-1"), "controller");
  const auto facts = ReadCertificate(pem.cert);  // refuses anything but one URI
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->identity, (Identity{"prod", Role::kController, "ctl-1"}));
  const X509Ptr leaf = ParseCertificate(pem.cert);
  EXPECT_EQ(X509_check_host(leaf.get(), "ctl.example", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(leaf.get(), "::1", 0), 1);
  EXPECT_EQ(X509_check_host(leaf.get(), "other.example", 0, 0, nullptr), 0);
}

TEST_F(AuthorityTest, KeysAreOpenToTheirOwnerOnly) {
  Issue(Request(Role::kNode, "web-01"), "node");
  EXPECT_EQ(ModeOf(dir()), 0700U);
  EXPECT_EQ(ModeOf(dir() + "/ca.key"), 0600U);
  EXPECT_EQ(ModeOf(out("node")), 0700U);
  EXPECT_EQ(ModeOf(out("node") + "/key.pem"), 0600U);
  EXPECT_EQ(ModeOf(out("node") + "/cert.pem"), 0644U);
}

TEST_F(AuthorityTest, SerialsDiffer) {
  const X509Ptr one = ParseCertificate(Issue(Request(Role::kNode, "a"), "a").cert);
  const X509Ptr two = ParseCertificate(Issue(Request(Role::kNode, "a"), "b").cert);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(one.get()), X509_get0_serialNumber(two.get())),
            0);
  EXPECT_EQ(ASN1_STRING_length(X509_get0_serialNumber(one.get())), 16);
}

TEST_F(AuthorityTest, NeverOverwritesAKey) {
  Issue(Request(Role::kNode, "web-01"), "node");
  const std::string key = TextOf(out("node") + "/key.pem");
  const std::string cert = TextOf(out("node") + "/cert.pem");
  const absl::Status again = authority_->Issue(Request(Role::kNode, "web-01"), out("node"));
  EXPECT_TRUE(absl::IsAlreadyExists(again));
  EXPECT_THAT(std::string(again.message()), HasSubstr("not overwritten"));
  EXPECT_EQ(TextOf(out("node") + "/key.pem"), key);
  EXPECT_EQ(TextOf(out("node") + "/cert.pem"), cert);
}

// An interrupted Issue leaves no key: the next one starts over.
TEST_F(AuthorityTest, ACertificateWithoutItsKeyIsMadeAnew) {
  Issue(Request(Role::kNode, "web-01"), "node");
  ASSERT_EQ(unlink((out("node") + "/key.pem").c_str()), 0);
  Issue(Request(Role::kNode, "web-01"), "node");  // Read() checks that key and certificate match
}

TEST_F(AuthorityTest, NeverReplacesACa) {
  const std::string key = TextOf(dir() + "/ca.key");
  EXPECT_TRUE(absl::IsAlreadyExists(Authority::Create(dir(), "prod").status()));
  EXPECT_EQ(TextOf(dir() + "/ca.key"), key);
}

TEST_F(AuthorityTest, OpensWhatItCreated) {
  const auto opened = Authority::Open(dir());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->fleet(), "prod");
  ASSERT_TRUE(opened->Issue(Request(Role::kNode, "web-01"), out("node")).ok());
  const TlsPem pem =
      testing::Read({out("node") + "/ca.crt", out("node") + "/cert.pem", out("node") + "/key.pem"});
  EXPECT_EQ(Verify(TextOf(dir() + "/ca.crt"), pem.cert, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
}

TEST_F(AuthorityTest, OpenSaysThatThereIsNone) {
  EXPECT_TRUE(absl::IsNotFound(Authority::Open(folder_.path() + "/none").status()));
}

TEST_F(AuthorityTest, RefusesBadIdsAndWritesNothing) {
  for (const char* id : {"", "..", ".hidden", "-x", "a/b", "../../etc", "Web", "a b", "a\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(authority_->Issue(Request(Role::kNode, id), out("bad"))))
        << id;
  }
  EXPECT_TRUE(
      absl::IsInvalidArgument(authority_->Issue(Request(Role::kOperator, ".."), out("bad"))));
  EXPECT_FALSE(FileExists(out("bad")));
}

TEST_F(AuthorityTest, RefusesBadHosts) {
  for (const char* host :
       {"", "ctl:7443", "http://ctl", "a b", ".x", "x.", "a..b", "DNS:x,URI:y"}) {
    CertificateRequest request = Request(Role::kController, "ctl-1");
    request.hosts = {host};
    EXPECT_TRUE(absl::IsInvalidArgument(authority_->Issue(request, out("bad")))) << host;
  }
  CertificateRequest none = Request(Role::kController, "ctl-1");
  none.hosts.clear();
  EXPECT_TRUE(absl::IsInvalidArgument(authority_->Issue(none, out("bad"))));
}

TEST_F(AuthorityTest, RefusesALifetimeBeyondItsOwn) {
  CertificateRequest request = Request(Role::kNode, "web-01");
  request.lifetime = 24h * 4000;
  EXPECT_TRUE(absl::IsFailedPrecondition(authority_->Issue(request, out("bad"))));
  request.lifetime = 0s;
  EXPECT_TRUE(absl::IsInvalidArgument(authority_->Issue(request, out("bad"))));
}

TEST_F(AuthorityTest, RefusesABadFleetName) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(Authority::Create(folder_.path() + "/x", "Bad Fleet").status()));
}

}  // namespace
}  // namespace procctl
