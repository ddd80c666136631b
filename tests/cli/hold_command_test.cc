#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "cli/target.h"
#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::ElementsAre;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::Outcome;
using testing::Row;

class HoldCommandTest : public ::testing::Test {
 protected:
  HoldCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {
    controller_.slots = {Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 4182),
                         Row("web-02", "encoder", v1::SLOT_STATE_ALIVE, 77)};
    Answer({v1::VERDICT_UNSPECIFIED}, /*done=*/true);
  }

  // One outcome per verdict.
  void Answer(const std::vector<v1::Verdict>& verdicts, bool done) {
    controller_.hold_answer.clear_outcomes();
    for (const v1::Verdict verdict : verdicts) {
      v1::HoldOutcome* outcome = controller_.hold_answer.add_outcomes();
      outcome->set_done(done);
      outcome->set_verdict(verdict);
      if (done) outcome->mutable_until()->set_seconds(testing::kNoon);
    }
  }

  Outcome Hold(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "hold");
    for (const char* more : {"--for", "30m", "--reason", "debugging"}) arguments.emplace_back(more);
    return cli_.Run(arguments);
  }

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(HoldCommandTest, HoldsTheVeryIncarnationThatTheListShows) {
  const Outcome outcome = Hold({"web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, MatchesRegex("web-01/encoder\\[4182\\]  held until 2026-11-2.*\n"));
  ASSERT_EQ(controller_.holds.size(), 1U);
  const v1::HoldSlotsRequest& request = controller_.holds[0];
  EXPECT_FALSE(request.release());
  EXPECT_EQ(request.hold_for().seconds(), 1800);
  EXPECT_EQ(request.reason(), "debugging");
  EXPECT_THAT(request.request_id(), MatchesRegex("[0-9a-f-]{36}"));
  ASSERT_EQ(request.targets_size(), 1);
  EXPECT_EQ(request.targets(0).node(), "web-01");
  EXPECT_EQ(request.targets(0).slot(), "encoder");
  EXPECT_EQ(IncarnationText(request.targets(0).incarnation()), "b7e1f0c2:4182:5182:7");
}

TEST_F(HoldCommandTest, Releases) {
  const Outcome outcome = cli_.Run({"release", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "web-01/encoder[4182]  released\n");
  ASSERT_EQ(controller_.holds.size(), 1U);
  EXPECT_TRUE(controller_.holds[0].release());
  EXPECT_FALSE(controller_.holds[0].has_hold_for());
}

// A hold is each heart's own, so a pid means all of its hearts.
TEST_F(HoldCommandTest, APidMeansAllHeartsOfTheProcess) {
  controller_.slots = {Row("web-01", "a", v1::SLOT_STATE_ALIVE, 50),
                       Row("web-01", "b", v1::SLOT_STATE_ALIVE, 50)};
  controller_.slots[1].mutable_slot()->mutable_incarnation()->set_generation(8);
  Answer({v1::VERDICT_UNSPECIFIED, v1::VERDICT_UNSPECIFIED}, true);
  EXPECT_EQ(Hold({"web-01:50", "--yes"}).code, ExitCode::kOk);
  ASSERT_EQ(controller_.holds.size(), 1U);
  EXPECT_EQ(controller_.holds[0].targets_size(), 2);
}

TEST_F(HoldCommandTest, AFilterThatMatchesSeveralNeedsAYes) {
  Answer({v1::VERDICT_UNSPECIFIED, v1::VERDICT_UNSPECIFIED}, true);
  const Outcome nobody = Hold({"-l", "node=web-* name=encoder"});
  EXPECT_EQ(nobody.code, ExitCode::kDeclined);
  EXPECT_THAT(nobody.err, AllOf(HasSubstr("nothing was held"), HasSubstr("--yes")));
  cli_.answer = false;
  const Outcome declined = Hold({"-l", "node=web-* name=encoder"});
  EXPECT_EQ(declined.code, ExitCode::kDeclined);
  EXPECT_EQ(cli_.question, "\nHold these 2? [y/N] ");
  EXPECT_THAT(declined.out, AllOf(HasSubstr("web-01"), HasSubstr("web-02")));
  EXPECT_TRUE(controller_.holds.empty());
  cli_.answer = true;
  const Outcome agreed = Hold({"-l", "node=web-* name=encoder"});
  EXPECT_EQ(agreed.code, ExitCode::kOk) << agreed.err;
  EXPECT_THAT(agreed.out, HasSubstr("\n2 held, 0 failed.\n"));
  EXPECT_EQ(Hold({"-l", "name=encoder", "--yes"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.holds.size(), 2U);
  EXPECT_EQ(controller_.filters.back(), "name=encoder");
}

TEST_F(HoldCommandTest, WhatMatchesNothingHoldsNothing) {
  EXPECT_EQ(Hold({"web-01/none"}).code, ExitCode::kNothingMatched);
  controller_.slots.clear();
  const Outcome outcome = Hold({"-l", "name=none"});
  EXPECT_EQ(outcome.code, ExitCode::kNothingMatched);
  EXPECT_THAT(outcome.err, HasSubstr("no slot matches \"name=none\"; nothing was held"));
  EXPECT_TRUE(controller_.holds.empty());
}

TEST_F(HoldCommandTest, ExitCodes) {
  const struct {
    v1::Verdict verdict;
    v1::Refusal refusal;
    ExitCode code;
  } cases[] = {{v1::VERDICT_GONE_ALREADY, v1::REFUSAL_UNSPECIFIED, ExitCode::kNothingMatched},
               {v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED, ExitCode::kNotTheSame},
               {v1::VERDICT_EXPIRED, v1::REFUSAL_UNSPECIFIED, ExitCode::kUnreachable},
               {v1::VERDICT_UNSPECIFIED, v1::REFUSAL_UNSPECIFIED, ExitCode::kUnreachable},
               {v1::VERDICT_REFUSED, v1::REFUSAL_NODE_UNREACHABLE, ExitCode::kUnreachable},
               {v1::VERDICT_REFUSED, v1::REFUSAL_PROTECTED, ExitCode::kFailed}};
  for (const auto& c : cases) {
    Answer({c.verdict}, /*done=*/false);
    controller_.hold_answer.mutable_outcomes(0)->set_refusal(c.refusal);
    EXPECT_EQ(Hold({"web-01/encoder"}).code, c.code) << c.verdict;
  }
}

TEST_F(HoldCommandTest, SomeHeldAndSomeNotIsPartly) {
  Answer({v1::VERDICT_UNSPECIFIED, v1::VERDICT_IDENTITY_MISMATCH}, true);
  controller_.hold_answer.mutable_outcomes(1)->set_done(false);
  const Outcome outcome = Hold({"web-01/encoder", "web-02/encoder", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kPartly);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("no longer the process you saw"), HasSubstr("1 held, 1 failed.\n")));
}

TEST_F(HoldCommandTest, ACallThatFailsSaysWhere) {
  controller_.hold_failure = {grpc::StatusCode::PERMISSION_DENIED, "viewers may not hold"};
  EXPECT_EQ(Hold({"web-01/encoder"}).code, ExitCode::kNotAllowed);
  controller_.hold_failure = {grpc::StatusCode::UNAVAILABLE, "going down"};
  const Outcome outcome = Hold({"web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("Whether it came about is not known"));
}

TEST_F(HoldCommandTest, AnAnswerThatLeavesTargetsOutIsAnError) {
  controller_.hold_answer.clear_outcomes();
  const Outcome outcome = Hold({"web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("0 of 1 targets"));
}

TEST_F(HoldCommandTest, Json) {
  const Outcome outcome = Hold({"web-01/encoder", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &parsed).ok())
      << outcome.out;
  const auto& target = parsed.fields().at("targets").list_value().values(0).struct_value();
  EXPECT_TRUE(target.fields().at("outcome").struct_value().fields().at("done").bool_value());
  EXPECT_EQ(target.fields().at("target").struct_value().fields().at("id").string_value(),
            "b7e1f0c2:4182:5182:7");
}

}  // namespace
}  // namespace procctl::cli
