#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::ElementsAre;
using testing::FailedAgain;
using testing::FakeController;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::ProgramRow;
using testing::Restarted;
using testing::TakeAll;

// Five instances, each of which comes back as soon as somebody looks after its order.
class RollingCommandTest : public ::testing::Test {
 protected:
  RollingCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {
    for (int i = 1; i <= 5; ++i) {
      controller_.programs.push_back(
          ProgramRow("web-01", "web@" + std::to_string(i), v1::PROGRAM_STATE_RUNNING, 100 + i));
    }
    controller_.on_control = [this](const auto& request, auto* response) {
      TakeAll(request, response);
      for (const v1::ProgramTarget& target : request.targets()) {
        ordered_.push_back(target.program());
        pending_.push_back(target.program());
      }
      most_pending_ = std::max(most_pending_, pending_.size());
      return grpc::Status::OK;
    };
    controller_.on_list_programs = [this] {
      for (v1::FleetProgram& row : controller_.programs) {
        const std::string& label = row.program().label();
        if (std::find(pending_.begin(), pending_.end(), label) == pending_.end()) continue;
        if (label == fails_) {
          FailedAgain(v1::PROGRAM_STATE_BACKOFF, &row);
        } else {
          Restarted(row.program().incarnation().pid() + 1000, &row);
        }
      }
      pending_.clear();
    };
  }

  Outcome Roll(std::vector<std::string> more) {
    more.insert(more.begin(), {"restart", "-l", "app=web"});
    return cli_.Run(more);
  }

  std::string fails_;
  std::vector<std::string> ordered_;
  std::vector<std::string> pending_;
  size_t most_pending_ = 0;
  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(RollingCommandTest, OneAfterAnother) {
  const Outcome outcome = Roll({"--max-unavailable", "10%", "--yes", "--reason", "release"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.out << outcome.err;
  EXPECT_THAT(ordered_, ElementsAre("web@1", "web@2", "web@3", "web@4", "web@5"));
  EXPECT_EQ(most_pending_, 1U);
  EXPECT_EQ(controller_.orders.size(), 5U);
  EXPECT_EQ(controller_.orders[4].reason(), "release");
  EXPECT_EQ(controller_.orders[4].targets(0).incarnation().pid(), 105);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("5 programs to restart, at most 1 not running at a time.\n"),
                    HasSubstr("web-01/web@1[101]  restart ordered\nweb-01/web@1  running, pid "
                              "1101, after "),
                    HasSubstr("\n5 restarted, 0 failed, 0 not begun.\n")));
}

TEST_F(RollingCommandTest, SeveralAtATime) {
  EXPECT_EQ(Roll({"--max-unavailable", "2", "--yes"}).code, ExitCode::kOk);
  EXPECT_EQ(ordered_.size(), 5U);
  EXPECT_EQ(most_pending_, 2U);
}

TEST_F(RollingCommandTest, TheFirstThatFailsEndsItAndTheRestIsListed) {
  fails_ = "web@2";
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(ordered_, ElementsAre("web@1", "web@2"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web-01/web@2  failed: backoff; last end: exit 3\n"),
                                 HasSubstr("Not begun: web-01/web@3, web-01/web@4, web-01/web@5\n"),
                                 HasSubstr("1 restarted, 1 failed, 3 not begun.\n")));
}

TEST_F(RollingCommandTest, AnOrderThatIsRefusedEndsIt) {
  controller_.on_control = [](const auto& request, auto* response) {
    TakeAll(request, response);
    response->mutable_outcomes(0)->set_done(false);
    response->mutable_outcomes(0)->set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
    return grpc::Status::OK;
  };
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kNotTheSame);
  EXPECT_EQ(controller_.orders.size(), 1U);
  EXPECT_THAT(outcome.out, HasSubstr("0 restarted, 1 failed, 4 not begun."));
}

TEST_F(RollingCommandTest, WhatIsStoppedIsLeftAlone) {
  controller_.programs[1].mutable_program()->set_state(v1::PROGRAM_STATE_STOPPED);
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.out;
  EXPECT_THAT(ordered_, ElementsAre("web@1", "web@3", "web@4", "web@5"));
  EXPECT_THAT(outcome.out, HasSubstr("Left alone (stopped, scheduled, done or gone): "
                                     "web-01/web@2\n"));
}

TEST_F(RollingCommandTest, OneThatDoesNotComeBackInTime) {
  controller_.on_list_programs = nullptr;
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes", "--wait-timeout", "300ms"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.out, HasSubstr("web-01/web@1  failed: not running after 0.3s: running, pid "
                                     "101\n"));
}

TEST_F(RollingCommandTest, ItNeedsAYesAsWell) {
  EXPECT_EQ(Roll({"--max-unavailable", "1"}).code, ExitCode::kDeclined);
  EXPECT_TRUE(controller_.orders.empty());
}

TEST_F(RollingCommandTest, CtrlCBeginsNothingMore) {
  std::stop_source stop;
  stop.request_stop();
  cli_.detach = stop.get_token();
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kInterrupted);
  EXPECT_THAT(ordered_, ElementsAre("web@1"));
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("Still under way: web-01/web@1\n"), HasSubstr("4 not begun.")));
  EXPECT_THAT(outcome.err, HasSubstr("nothing more is begun"));
}

TEST_F(RollingCommandTest, AControllerThatFailsOnTheWay) {
  controller_.on_control = [](const auto&, auto*) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("Whether it came about is not known"));
}

TEST_F(RollingCommandTest, Json) {
  fails_ = "web@2";
  const Outcome outcome = Roll({"--max-unavailable", "1", "--yes", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &parsed).ok())
      << outcome.out;
  std::vector<std::string> results;
  for (const auto& target : parsed.fields().at("targets").list_value().values()) {
    results.push_back(target.struct_value().fields().at("result").string_value());
  }
  EXPECT_THAT(results, ElementsAre("restarted", "failed", "not begun", "not begun", "not begun"));
  EXPECT_EQ(parsed.fields().at("requestIds").list_value().values_size(), 2);
}

}  // namespace
}  // namespace procctl::cli
