#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/fake_controller.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::ElementsAre;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Outcome;

class ForgetCommandTest : public ::testing::Test {
 protected:
  ForgetCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {}

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(ForgetCommandTest, ForgetsTheNodeWithItsReason) {
  const Outcome outcome = cli_.Run({"forget", "web-01", "--reason", "decommissioned"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "web-01  forgotten; a new session of it brings it back\n");
  ASSERT_EQ(controller_.forgets.size(), 1U);
  EXPECT_EQ(controller_.forgets[0].node(), "web-01");
  EXPECT_EQ(controller_.forgets[0].reason(), "decommissioned");
  EXPECT_EQ(cli_.Run({"forget", "web-01", "-o", "json"}).out,
            "{\"apiVersion\":\"procctl/v1\",\"node\":\"web-01\",\"forgotten\":true}\n");
}

TEST_F(ForgetCommandTest, ARefusalIsToldWithItsExitCode) {
  controller_.forget_failure = {grpc::StatusCode::FAILED_PRECONDITION, "node web-01 is connected"};
  const Outcome connected = cli_.Run({"forget", "web-01"});
  EXPECT_EQ(connected.code, ExitCodeFor(absl::FailedPreconditionError("")));
  EXPECT_THAT(connected.err, HasSubstr("web-01 is connected"));
  EXPECT_EQ(connected.out, "");
  controller_.forget_failure = {grpc::StatusCode::NOT_FOUND, "there is no node web-01"};
  EXPECT_EQ(cli_.Run({"forget", "web-01"}).code, ExitCode::kNothingMatched);
}

TEST_F(ForgetCommandTest, NobodyIsAskedAboutWhatIsNotOneNode) {
  EXPECT_EQ(cli_.Run({"forget"}).code, ExitCode::kUsage);
  EXPECT_THAT(cli_.Run({"forget"}).err, HasSubstr("web-01"));
  EXPECT_EQ(cli_.Run({"forget", "a", "b"}).code, ExitCode::kUsage);
  EXPECT_EQ(cli_.Run({"forget", "web-*"}).code, ExitCode::kUsage);
  EXPECT_EQ(cli_.Run({"forget", ""}).code, ExitCode::kUsage);
  EXPECT_EQ(cli_.Run({"forget", "web-01", "--reason", std::string(1001, 'x')}).code,
            ExitCode::kUsage);
  EXPECT_THAT(controller_.forgets, IsEmpty());
}

TEST_F(ForgetCommandTest, NodesIsListNodes) {
  EXPECT_EQ(cli_.Run({"nodes", "--state", "forgotten"}).code, ExitCode::kOk);
  EXPECT_THAT(controller_.filters, ElementsAre("state=forgotten"));
}

}  // namespace
}  // namespace procctl::cli
