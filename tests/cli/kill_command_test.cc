#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/synchronization/notification.h"
#include "cli/target.h"
#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Accepted;
using testing::Cli;
using testing::Done;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using testing::Outcome;
using testing::Row;
using testing::Step;

class KillCommandTest : public ::testing::Test {
 protected:
  KillCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {
    controller_.slots = {Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 4182),
                         Row("web-01", "encoder.2", v1::SLOT_STATE_ALIVE, 4183),
                         Row("web-02", "my worker", v1::SLOT_STATE_ALIVE, 77)};
    Answer({v1::VERDICT_EXITED_ON_TERM});
  }

  // The verdict of each target in turn, the last one for all that follow.
  void Answer(std::vector<v1::Verdict> verdicts, v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED) {
    controller_.on_kill = [=](const v1::KillSlotsRequest& request,
                              FakeController::KillWriter* writer, grpc::ServerContext*) {
      writer->Write(Accepted(request));
      for (int i = 0; i < request.targets_size(); ++i) {
        writer->Write(Done(i, verdicts[std::min<size_t>(i, verdicts.size() - 1)], refusal));
      }
      v1::KillSlotsResponse summary;
      summary.mutable_summary();
      writer->Write(summary);
      return grpc::Status::OK;
    };
  }

  static google::protobuf::Struct Parse(const std::string& json) {
    google::protobuf::Struct parsed;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
    EXPECT_TRUE(status.ok()) << status << "\n" << json;
    return parsed;
  }

  procctl::testing::TestFleet fleet_;
  // The controller's threads may use these until it has shut down.
  absl::Notification given_up_;
  std::stop_source source_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(KillCommandTest, OneTargetIsStoppedAtOnce) {
  const Outcome outcome =
      cli_.Run({"kill", "web-01/encoder", "--reason", "stuck", "--grace", "3s"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "web-01/encoder[4182]  SIGTERM ... exited in 0.8s\n");
  ASSERT_EQ(controller_.kills.size(), 1U);
  const v1::KillSlotsRequest& request = controller_.kills[0];
  ASSERT_EQ(request.targets_size(), 1);
  EXPECT_EQ(request.targets(0).node(), "web-01");
  EXPECT_EQ(request.targets(0).slot(), "encoder");
  EXPECT_EQ(IncarnationText(request.targets(0).incarnation()), "b7e1f0c2:4182:5182:7");
  EXPECT_EQ(request.reason(), "stuck");
  EXPECT_EQ(request.grace().seconds(), 3);
  EXPECT_THAT(request.request_id(), MatchesRegex("[0-9a-f-]{36}"));
}

TEST_F(KillCommandTest, ByPid) {
  EXPECT_EQ(cli_.Run({"kill", "web-01:4183"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.kills.at(0).targets(0).slot(), "encoder.2");
}

TEST_F(KillCommandTest, ASlotWithABlankAsTheTableShowsIt) {
  const Outcome outcome = cli_.Run({"kill", "web-02/my\\x20worker"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.kills.at(0).targets(0).slot(), "my worker");
  EXPECT_THAT(outcome.out, HasSubstr("web-02/my\\x20worker[77]"));
}

TEST_F(KillCommandTest, EachRequestHasAnIdOfItsOwn) {
  for (int i = 0; i < 3; ++i) cli_.Run({"kill", "web-01/encoder"});
  std::set<std::string> ids;
  for (const auto& request : controller_.kills) ids.insert(request.request_id());
  EXPECT_EQ(ids.size(), 3U);
}

// Names match exactly: no prefix, no pattern, nobody by accident.
TEST_F(KillCommandTest, WhatIsNotThereStopsNobody) {
  for (const char* name : {"web-01/enc", "web-01/enc*", "web-02/encoder", "web-01:9999"}) {
    const Outcome outcome = cli_.Run({"kill", name});
    EXPECT_EQ(outcome.code, ExitCode::kNothingMatched) << name;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(name), HasSubstr("nobody was signalled")));
  }
  EXPECT_TRUE(controller_.kills.empty());
}

TEST_F(KillCommandTest, OneMissingNameAmongSeveralStopsNobody) {
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-01/none", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kNothingMatched);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("web-01/none"), Not(HasSubstr("encoder,"))));
  EXPECT_TRUE(controller_.kills.empty());
}

TEST_F(KillCommandTest, MalformedTargetsAreUsageErrors) {
  EXPECT_EQ(cli_.Run({"kill", "encoder"}).code, ExitCode::kUsage);
  EXPECT_EQ(cli_.Run({"kill", "web-01:1"}).code, ExitCode::kUsage);
  EXPECT_EQ(cli_.Run({"kill", "web-01/encoder", "--if-incarnation", "x"}).code, ExitCode::kUsage);
}

TEST_F(KillCommandTest, SeveralTargetsAreShownAndAskedFor) {
  cli_.answer = true;
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-02/my worker"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(cli_.question, HasSubstr("Stop these 2? [y/N]"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("NODE"), HasSubstr("web-02  my\\x20worker"),
                                 HasSubstr("2 stopped, 0 failed.")));
}

TEST_F(KillCommandTest, NoStopsNobody) {
  cli_.answer = false;
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-01/encoder.2"});
  EXPECT_EQ(outcome.code, ExitCode::kDeclined);
  EXPECT_THAT(outcome.err, HasSubstr("nobody was signalled"));
  EXPECT_TRUE(controller_.kills.empty());
}

TEST_F(KillCommandTest, WithoutAPersonSeveralTargetsNeedYes) {
  const std::vector<std::string> kill = {"kill", "web-01/encoder", "web-01/encoder.2"};
  const Outcome refused = cli_.Run(kill);
  EXPECT_EQ(refused.code, ExitCode::kDeclined);
  EXPECT_THAT(refused.err, HasSubstr("--yes"));
  EXPECT_TRUE(controller_.kills.empty());
  std::vector<std::string> agreed = kill;
  agreed.push_back("--yes");
  EXPECT_EQ(cli_.Run(agreed).code, ExitCode::kOk);
}

TEST_F(KillCommandTest, TheSameTargetTwiceIsOneTarget) {
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-01:4182"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.kills.at(0).targets_size(), 1);
}

TEST_F(KillCommandTest, DryRunShowsAndSignalsNobody) {
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-01/encoder.2", "--dry-run"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("encoder.2"), HasSubstr("nobody was signalled")));
  EXPECT_TRUE(controller_.kills.empty());
  const auto json = Parse(cli_.Run({"kill", "web-01/encoder", "--dry-run", "-o", "json"}).out);
  EXPECT_TRUE(json.fields().at("dryRun").bool_value());
  EXPECT_TRUE(controller_.kills.empty());
}

TEST_F(KillCommandTest, AnotherProcessThanTheOneSeenExitsWithSix) {
  Answer({v1::VERDICT_IDENTITY_MISMATCH});
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kNotTheSame);
  EXPECT_THAT(outcome.out, HasSubstr("no longer the process you saw"));
}

TEST_F(KillCommandTest, APinnedIncarnationIsWhatIsAskedFor) {
  Answer({v1::VERDICT_IDENTITY_MISMATCH});
  const std::string seen = "b7e1f0c2:4000:5000:6";
  EXPECT_EQ(cli_.Run({"kill", "web-01/encoder", "--if-incarnation", seen}).code,
            ExitCode::kNotTheSame);
  EXPECT_EQ(IncarnationText(controller_.kills.at(0).targets(0).incarnation()), seen);
}

// The row may have gone with its process; what the operator saw is still named, and the node
// judges.
TEST_F(KillCommandTest, APinnedIncarnationNeedsNoRow) {
  Answer({v1::VERDICT_GONE_ALREADY});
  EXPECT_EQ(cli_.Run({"kill", "web-01/ended", "--if-incarnation", "b:4000:5000:6"}).code,
            ExitCode::kOk);
  EXPECT_EQ(controller_.kills.at(0).targets(0).slot(), "ended");
}

TEST_F(KillCommandTest, APinAndAPidMustAgree) {
  EXPECT_EQ(cli_.Run({"kill", "web-01:4182", "--if-incarnation", "b:4000:5000:6"}).code,
            ExitCode::kUsage);
  EXPECT_TRUE(controller_.kills.empty());
}

TEST_F(KillCommandTest, PartOfTheTargetsFailing) {
  Answer({v1::VERDICT_KILLED, v1::VERDICT_HELD});
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-01/encoder.2", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kPartly);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("encoder[4182]  SIGTERM ... SIGKILL, gone in 0.8s"),
                    HasSubstr("encoder.2[4183]  withheld"), HasSubstr("1 stopped, 1 failed.")));
}

TEST_F(KillCommandTest, NodesThatCannotBeReached) {
  Answer({v1::VERDICT_REFUSED}, v1::REFUSAL_NODE_UNREACHABLE);
  EXPECT_EQ(cli_.Run({"kill", "web-01/encoder"}).code, ExitCode::kUnreachable);
}

TEST_F(KillCommandTest, JsonIsOneDocumentWithEveryTarget) {
  Answer({v1::VERDICT_KILLED, v1::VERDICT_HELD});
  const Outcome outcome =
      cli_.Run({"kill", "web-01/encoder", "web-01/encoder.2", "--yes", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kPartly);
  EXPECT_EQ(outcome.err, "");
  const auto parsed = Parse(outcome.out);
  EXPECT_EQ(parsed.fields().at("requestId").string_value(), controller_.kills.at(0).request_id());
  const auto& targets = parsed.fields().at("targets").list_value();
  ASSERT_EQ(targets.values_size(), 2);
  const auto& second = targets.values(1).struct_value().fields();
  EXPECT_EQ(second.at("target").struct_value().fields().at("id").string_value(),
            "b7e1f0c2:4183:5183:7");
  EXPECT_EQ(second.at("progress").struct_value().fields().at("verdict").string_value(),
            "VERDICT_HELD");
}

TEST_F(KillCommandTest, JsonNeverAsks) {
  cli_.answer = true;
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "web-01/encoder.2", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kDeclined);
  EXPECT_EQ(cli_.question, "");
  EXPECT_EQ(
      Parse(outcome.err).fields().at("error").struct_value().fields().at("exitCode").number_value(),
      9);
}

TEST_F(KillCommandTest, NotAllowed) {
  controller_.on_kill = [](auto&&...) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "viewer/bob may not call KillSlots");
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kNotAllowed);
  EXPECT_THAT(outcome.err, HasSubstr("not allowed: viewer/bob may not call KillSlots"));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(KillCommandTest, AStreamThatEndsWithoutAVerdictIsAFailure) {
  controller_.on_kill = [](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                           grpc::ServerContext*) {
    writer->Write(Accepted(request));
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("without a word"));
}

// A controller that restarts in the middle is asked again by the same id, which signals nobody
// twice.
TEST_F(KillCommandTest, ABrokenStreamIsTakenUpAgain) {
  int calls = 0;
  controller_.on_kill = [&](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                            grpc::ServerContext*) {
    writer->Write(Accepted(request));
    if (++calls == 1) {
      writer->Write(Step(0, v1::KILL_PHASE_TERM_SENT));
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
    }
    writer->Write(Done(0, v1::VERDICT_EXITED_ON_TERM));
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "web-01/encoder[4182]  SIGTERM ... exited in 0.8s\n");
  ASSERT_EQ(controller_.kills.size(), 2U);
  EXPECT_EQ(controller_.kills[0].request_id(), controller_.kills[1].request_id());
}

TEST_F(KillCommandTest, AKillThatWasNotAcceptedIsNotRepeated) {
  controller_.on_kill = [](auto&&...) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "overloaded; try again in 2s");
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("overloaded; try again in 2s"));
  EXPECT_EQ(controller_.kills.size(), 1U);
}

TEST_F(KillCommandTest, NoVerdictInTimeSaysWhereToLook) {
  controller_.on_kill = [&](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                            grpc::ServerContext*) {
    writer->Write(Accepted(request));
    writer->Write(Step(0, v1::KILL_PHASE_TERM_SENT));
    given_up_.WaitForNotification();
    return grpc::Status::CANCELLED;
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder", "--timeout", "300ms"});
  given_up_.Notify();
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err,
              HasSubstr("events --filter 'order=" + controller_.kills.at(0).request_id() + "/*'"));
  EXPECT_EQ(outcome.out, "web-01/encoder[4182]  SIGTERM ... \n");
}

TEST_F(KillCommandTest, CtrlCStopsWaitingAndSaysThatTheKillGoesOn) {
  cli_.detach = source_.get_token();
  controller_.on_kill = [&](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                            grpc::ServerContext*) {
    writer->Write(Accepted(request));
    source_.request_stop();
    given_up_.WaitForNotification();
    return grpc::Status::CANCELLED;
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  given_up_.Notify();
  EXPECT_EQ(outcome.code, ExitCode::kInterrupted);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("the kill goes on"), HasSubstr("procctl-cli events")));
}

TEST_F(KillCommandTest, AHostileMessageCannotActOnTheTerminal) {
  controller_.on_kill = [](auto&&...) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "\x1b[2Jno\x07");
  };
  const Outcome outcome = cli_.Run({"kill", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, AllOf(Not(HasSubstr("\x1b")), HasSubstr("\\x1b[2Jno")));
}

}  // namespace
}  // namespace procctl::cli
