#include "proto/support/peer_identity.h"

#include <gmock/gmock.h>
#include <grpcpp/security/auth_context.h>
#include <gtest/gtest.h>

#include <vector>

namespace procctl {
namespace {

using ::testing::HasSubstr;

// What gRPC would say of a peer.
class FakeContext : public grpc::AuthContext {
 public:
  FakeContext(bool authenticated, std::vector<std::string> uris)
      : authenticated_(authenticated), uris_(std::move(uris)) {}
  bool IsPeerAuthenticated() const override { return authenticated_; }
  std::vector<grpc::string_ref> GetPeerIdentity() const override { return {}; }
  std::string GetPeerIdentityPropertyName() const override { return ""; }
  std::vector<grpc::string_ref> FindPropertyValues(const std::string& name) const override {
    if (name != "peer_uri") return {};
    return {uris_.begin(), uris_.end()};
  }
  grpc::AuthPropertyIterator begin() const override { return Nothing(); }
  grpc::AuthPropertyIterator end() const override { return Nothing(); }
  void AddProperty(const std::string&, const grpc::string_ref&) override {}
  bool SetPeerIdentityPropertyName(const std::string&) override { return false; }

 private:
  // The iterator's own constructor is for its family only.
  struct Nothing : grpc::AuthPropertyIterator {};

  bool authenticated_;
  std::vector<std::string> uris_;
};

TEST(ParseSpiffeId, ReadsEveryRole) {
  for (const Role role :
       {Role::kNode, Role::kViewer, Role::kOperator, Role::kAdmin, Role::kController}) {
    const auto parsed = ParseSpiffeId("spiffe://prod/" + std::string(RoleName(role)) + "/web-01");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, (Identity{"prod", role, "web-01"}));
    EXPECT_EQ(parsed->ToString(), std::string(RoleName(role)) + "/web-01");
  }
}

TEST(ParseSpiffeId, PeopleMayHaveAddressesAsIds) {
  EXPECT_TRUE(ParseSpiffeId("spiffe://prod/operator/Alice_B+ops@example.com").ok());
  EXPECT_FALSE(ParseSpiffeId("spiffe://prod/node/Alice@example.com").ok());
}

TEST(ParseSpiffeId, SaysWhichPartIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://prod/node/a", "no spiffe:// URI"},
      {"", "no spiffe:// URI"},
      {"spiffe://prod", "missing"},
      {"spiffe://prod/node", "missing"},
      {"spiffe:///node/a", "fleet"},
      {"spiffe://PROD/node/a", "fleet"},
      {"spiffe://prod/root/a", "role"},
      {"spiffe://prod/Node/a", "role"},
      {"spiffe://prod/node/", "id"},
      {"spiffe://prod/node/a/b", "id"},
      {"spiffe://prod/node/-a", "id"},
      {"spiffe://prod/node/a b", "id"},
      {"spiffe://prod/operator/a\nb", "id"},
  };
  for (const auto& [uri, part] : cases) {
    const auto parsed = ParseSpiffeId(uri);
    ASSERT_FALSE(parsed.ok()) << uri;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(part));
  }
}

TEST(ParseSpiffeId, IdsHaveAtMost63Bytes) {
  EXPECT_TRUE(ParseSpiffeId("spiffe://prod/node/" + std::string(63, 'a')).ok());
  EXPECT_FALSE(ParseSpiffeId("spiffe://prod/node/" + std::string(64, 'a')).ok());
}

TEST(PeerIdentity, IsTheOneUriOfTheCertificate) {
  const auto identity = PeerIdentity(FakeContext(true, {"spiffe://prod/operator/alice"}));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->ToString(), "operator/alice");
}

TEST(PeerIdentity, NobodyWithoutExactlyOneUri) {
  const std::string good = "spiffe://prod/operator/alice";
  EXPECT_TRUE(absl::IsUnauthenticated(PeerIdentity(FakeContext(true, {})).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(PeerIdentity(FakeContext(true, {good, good})).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(PeerIdentity(FakeContext(true, {"spiffe://x"})).status()));
}

TEST(PeerIdentity, AnUnverifiedUriCountsForNothing) {
  const FakeContext context(false, {"spiffe://prod/admin/mallory"});
  EXPECT_TRUE(absl::IsUnauthenticated(PeerIdentity(context).status()));
}

}  // namespace
}  // namespace procctl
