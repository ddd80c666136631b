// What a person reads when the controller cannot be used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/cli/fake_controller.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() : controller_(fleet_.Controller()) {}

  Outcome List(const TlsFiles& tls, const std::string& address = "",
               const std::string& server_name = "") {
    Cli cli{address.empty() ? controller_.address() : address, tls, server_name};
    const Outcome outcome = cli.Run({"list", "--timeout", "5s"});
    // Words of gRPC's own never reach anybody.
    for (const char* word : {"Socket closed", "failed to connect", "handshaker", "StatusCode",
                             "created_time", "file_line"}) {
      EXPECT_THAT(outcome.err, Not(HasSubstr(word)));
    }
    EXPECT_EQ(outcome.out, "");
    return outcome;
  }

  TlsFiles Alice() { return fleet_.Issue(Role::kOperator, "alice"); }

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
};

TEST_F(ConnectionTest, WithoutAnyConfigurationItSaysWhatToSet) {
  Cli cli;
  const Outcome outcome = cli.Run({"list"});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("PROCCTL_CONTROLLER"), HasSubstr("--key"),
                                 HasSubstr("procctl-controller init")));
}

TEST_F(ConnectionTest, AKeyThatOthersCanReadIsRefused) {
  const TlsFiles alice = Alice();
  ASSERT_EQ(chmod(alice.key.c_str(), 0644), 0);
  const Outcome outcome = List(alice);
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("chmod 600"));
}

TEST_F(ConnectionTest, AMissingFileIsNotMistakenForNothingMatched) {
  TlsFiles alice = Alice();
  alice.cert += ".none";
  const Outcome outcome = List(alice);
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("does not exist"));
}

TEST_F(ConnectionTest, NobodyListens) {
  std::string address;
  {
    const FakeController gone(fleet_.Controller());
    address = gone.address();
  }
  const Outcome outcome = List(Alice(), address);
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(address), HasSubstr("connection refused"),
                                 HasSubstr("is procctl-controller running")));
}

TEST_F(ConnectionTest, OurCertificateHasExpired) {
  const Outcome outcome = List(fleet_.Expired(Role::kOperator, "alice"));
  EXPECT_EQ(outcome.code, ExitCode::kNotAllowed);
  EXPECT_THAT(outcome.err, HasSubstr("your certificate (operator/alice) expired on"));
}

TEST_F(ConnectionTest, OurCertificateIsFromAnotherCa) {
  procctl::testing::TestFleet other("other");
  TlsFiles stranger = other.Issue(Role::kOperator, "alice");
  stranger.ca = Alice().ca;
  const Outcome outcome = List(stranger);
  EXPECT_EQ(outcome.code, ExitCode::kNotAllowed);
  EXPECT_THAT(outcome.err, HasSubstr("does not accept your certificate"));
}

TEST_F(ConnectionTest, TheControllerIsFromAnotherCa) {
  procctl::testing::TestFleet other("other");
  const Outcome outcome = List(other.Issue(Role::kOperator, "alice"));
  EXPECT_EQ(outcome.code, ExitCode::kNotAllowed);
  EXPECT_THAT(outcome.err, HasSubstr("signed by another CA"));
}

TEST_F(ConnectionTest, TheControllerHasAnotherName) {
  const Outcome outcome = List(Alice(), "", "other.example");
  EXPECT_EQ(outcome.code, ExitCode::kNotAllowed);
  EXPECT_THAT(outcome.err, HasSubstr("not for \"other.example\""));
}

TEST_F(ConnectionTest, TheServerNameMakesAnotherAddressWork) {
  FakeController named(fleet_.Controller({"ctl.example"}));
  Cli cli{named.address(), Alice(), "ctl.example"};
  EXPECT_EQ(cli.Run({"list"}).code, ExitCode::kOk);
}

TEST_F(ConnectionTest, TheControllersOwnRefusalIsPassedOn) {
  controller_.failure = {grpc::StatusCode::UNAVAILABLE, "going down; try again in 2s"};
  const Outcome outcome = List(Alice());
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("going down; try again in 2s"));
}

TEST_F(ConnectionTest, ABadFilterIsAUsageError) {
  controller_.failure = {grpc::StatusCode::INVALID_ARGUMENT, "unknown key \"nod\""};
  const Outcome outcome = List(Alice());
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("unknown key"));
}

}  // namespace
}  // namespace procctl::cli
