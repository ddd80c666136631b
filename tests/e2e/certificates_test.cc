// Who may not come in, and that each is told why: a node that claims to be another, no certificate,
// a foreign CA, an expired certificate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/tls_probe.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

CertificateRequest Expired(Role role, const std::string& id) {
  CertificateRequest request;
  request.role = role;
  request.id = id;
  request.starts_in = std::chrono::hours(-48);
  request.lifetime = std::chrono::hours(24);
  return request;
}

Finished ListWith(Fleet& fleet, const std::vector<std::string>& tls) {
  std::vector<std::string> arguments = {"list", "--controller", fleet.address()};
  arguments.insert(arguments.end(), tls.begin(), tls.end());
  return fleet.RawCli(arguments);
}

// The node's log once it holds all of `parts`; its guardian must go on guarding meanwhile.
void ExpectRefusedNode(Fleet& fleet, Node& node, const std::string& regex) {
  EXPECT_TRUE(Eventually(15s, [&] { return ::testing::Matches(ContainsRegex(regex))(node.Log()); }))
      << "wanted " << regex << " in:\n"
      << node.Log();
  for (const v1::Node& known : fleet.Nodes()) {
    EXPECT_FALSE(known.id() == node.id() && known.state() == v1::NODE_STATE_CONNECTED);
  }
  EXPECT_TRUE(node.guardian().Running()) << "it enforces without a controller";
}

TEST(Certificates, NodeCannotSpeakForAnother) {
  Fleet fleet({"n1", "n2"});
  fleet.StartController();
  NodeOptions options;
  options.tls = fleet.NodeTls("n1");
  Node& impostor = fleet.StartNode("n2", options);
  ExpectRefusedNode(fleet, impostor, "n1.*n2|n2.*n1");
  const v1::Event refused =
      fleet.AwaitEvent("access refused", 5s, Is(v1::EVENT_KIND_ACCESS_REFUSED));
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("n1"), HasSubstr("n2")));
}

TEST(Certificates, OperatorCannotActAsNodeNorNodeAsOperator) {
  Fleet fleet({"n1", "n2"});
  fleet.StartController();
  const Finished node_lists = ListWith(fleet, TlsOptions(fleet.NodeTls("n1")));
  EXPECT_EQ(node_lists.exit_code, 4);
  EXPECT_THAT(node_lists.err, HasSubstr("node"));
  NodeOptions options;
  options.tls = fleet.OperatorTls();
  Node& impostor = fleet.StartNode("n2", options);
  ExpectRefusedNode(fleet, impostor, "operator");
}

TEST(Certificates, NoneIsRefusedAndSaidSo) {
  Fleet fleet({"n1"});
  fleet.StartController();
  const Finished list = ListWith(fleet, {"--ca", fleet.OperatorTls() + "/ca.crt"});
  EXPECT_THAT(list.exit_code, ::testing::AnyOf(2, 4));
  EXPECT_THAT(list.err, AllOf(HasSubstr("--cert"), HasSubstr("cert.pem")));

  // And a client that does not ask itself first gets nowhere.
  TlsPem nothing;
  nothing.ca = ReadFile(fleet.OperatorTls() + "/ca.crt");
  const absl::Status refused = ProbeTls(fleet.address(), "", nothing, 5s);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnauthenticated) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("certificate and none was presented"));
}

TEST(Certificates, ForeignCaIsRefusedAndSaidSo) {
  Fleet fleet({"n1"});
  const Fleet stranger({"n1"});
  fleet.StartController();
  const std::string own = fleet.OperatorTls();
  const std::string foreign = stranger.OperatorTls();

  // They trust us, we do not know them.
  const Finished unknown = ListWith(fleet, {"--ca", own + "/ca.crt", "--cert",
                                            foreign + "/cert.pem", "--key", foreign + "/key.pem"});
  EXPECT_EQ(unknown.exit_code, 4) << unknown.err;
  EXPECT_THAT(unknown.err, ContainsRegex("another CA|not signed|unknown CA|different CA|CA"));

  // They do not trust us.
  const Finished distrust = ListWith(fleet, TlsOptions(foreign));
  EXPECT_THAT(distrust.exit_code, ::testing::AnyOf(4, 5)) << distrust.err;
  EXPECT_THAT(distrust.err, HasSubstr("CA"));

  NodeOptions options;
  options.tls = stranger.NodeTls("n1");
  Node& node = fleet.StartNode("n1", options);
  ExpectRefusedNode(fleet, node, "CA");
}

TEST(Certificates, ExpiredIsRefusedAndSaidSo) {
  Fleet fleet({"n1"});
  fleet.StartController();
  const Finished list = ListWith(fleet, TlsOptions(fleet.Issue(Expired(Role::kOperator, "late"))));
  EXPECT_EQ(list.exit_code, 4) << list.err;
  EXPECT_THAT(list.err, HasSubstr("expired"));

  NodeOptions options;
  options.tls = fleet.Issue(Expired(Role::kNode, "n1"));
  Node& node = fleet.StartNode("n1", options);
  ExpectRefusedNode(fleet, node, "expired");
}

}  // namespace
}  // namespace procctl::e2e
