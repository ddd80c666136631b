#include "controller/pki/init_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "controller/pki/safe_files.h"
#include "proto/support/tls_files.h"
#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

class InitTest : public ::testing::Test {
 protected:
  std::string dir() const { return folder_.path() + "/pki"; }

  Outcome Init(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"init", "--dir", dir()});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.code = RunInit(static_cast<int>(argv.size()), argv.data());
    fflush(stdout);
    outcome.out = ::testing::internal::GetCapturedStdout();
    outcome.err = ::testing::internal::GetCapturedStderr();
    return outcome;
  }

  Outcome First() {
    return Init({"--fleet", "prod", "--controller", "ctl-1", "--host", "ctl.example,127.0.0.1",
                 "--operator", "alice", "--node", "web-01", "--node", "web-02", "--days", "30"});
  }

  CertificateFacts FactsIn(const std::string& sub) {
    const std::string at = dir() + sub;
    const TlsPem pem = testing::Read({at + "/ca.crt", at + "/cert.pem", at + "/key.pem"});
    return *ReadCertificate(pem.cert);
  }

  static std::string TextOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  testing::TemporaryFolder folder_;
};

TEST_F(InitTest, MakesEverythingAndSaysWhatToDoNext) {
  const Outcome outcome = First();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(FactsIn("/controller").identity.ToString(), "controller/ctl-1");
  EXPECT_EQ(FactsIn("/nodes/web-01").identity.ToString(), "node/web-01");
  EXPECT_EQ(FactsIn("/nodes/web-02").identity.fleet, "prod");
  EXPECT_EQ(FactsIn("/operators/alice").identity.ToString(), "operator/alice");
  EXPECT_THAT(
      outcome.out,
      AllOf(HasSubstr("procctl-controller --config"), HasSubstr("procctl-node node.yaml"),
            HasSubstr("PROCCTL_CONTROLLER=ctl.example:7443"), HasSubstr("procctl-cli list")));
  const auto left = FactsIn("/nodes/web-01").not_after - std::chrono::system_clock::now();
  EXPECT_NEAR(std::chrono::duration<double>(left).count(), 30 * 86400, 60);
}

TEST_F(InitTest, RunAgainAddsOnlyWhatIsMissing) {
  ASSERT_EQ(First().code, 0);
  const std::string ca = TextOf(dir() + "/ca/ca.key");
  const std::string web_01 = TextOf(dir() + "/nodes/web-01/key.pem");
  const Outcome again = Init({"--node", "web-01", "--node", "web-03"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("kept  " + dir() + "/nodes/web-01"),
                               HasSubstr("made  " + dir() + "/nodes/web-03")));
  EXPECT_EQ(TextOf(dir() + "/ca/ca.key"), ca);
  EXPECT_EQ(TextOf(dir() + "/nodes/web-01/key.pem"), web_01);
  EXPECT_EQ(FactsIn("/nodes/web-03").identity.id, "web-03");
  EXPECT_EQ(First().code, 0);
}

TEST_F(InitTest, TheFirstTimeNeedsAFleetAndAController) {
  const Outcome no_fleet = Init({"--node", "web-01"});
  EXPECT_EQ(no_fleet.code, 2);
  EXPECT_THAT(no_fleet.err, HasSubstr("--fleet"));
  const Outcome no_controller = Init({"--fleet", "prod", "--node", "web-01"});
  EXPECT_EQ(no_controller.code, 2);
  EXPECT_THAT(no_controller.err, HasSubstr("--controller"));
  const Outcome no_host = Init({"--fleet", "prod", "--controller", "ctl-1"});
  EXPECT_EQ(no_host.code, 2);
  EXPECT_THAT(no_host.err, HasSubstr("--host"));
}

TEST_F(InitTest, WhatContradictsTheFolderIsRefused) {
  ASSERT_EQ(First().code, 0);
  EXPECT_EQ(Init({"--fleet", "other"}).code, 2);
  EXPECT_EQ(Init({"--controller", "ctl-2"}).code, 2);
  const Outcome host = Init({"--host", "new.example"});
  EXPECT_EQ(host.code, 1);
  EXPECT_THAT(host.err, HasSubstr("remove"));
}

TEST_F(InitTest, BadIdsAreRefusedBeforeTheyBecomePaths) {
  ASSERT_EQ(First().code, 0);
  const Outcome outcome = Init({"--node", "../../escape"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_FALSE(FileExists(folder_.path() + "/escape"));
  EXPECT_THAT(Init({"--node", "\x1b[2J"}).err, Not(HasSubstr("\x1b")));
}

TEST_F(InitTest, UsageErrorsExitWith2AndHelpWith0) {
  EXPECT_EQ(Init({"--no-such-option"}).code, 2);
  EXPECT_EQ(Init({"--days", "0"}).code, 2);
  const Outcome help = Init({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("Example:"));
}

}  // namespace
}  // namespace procctl
