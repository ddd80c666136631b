#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "tests/cli/fake_controller.h"
#include "tests/cli/kill_events.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::Contains;
using testing::FakeController;
using ::testing::HasSubstr;
using testing::KillEvents;
using ::testing::Not;
using testing::Outcome;
using testing::Row;
using namespace std::chrono_literals;

class WhyCommandTest : public ::testing::Test {
 protected:
  WhyCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "bob")} {
    controller_.applies_event_filters = true;
  }

  void Store(KillEvents& kill) {
    for (const v1::Event& event : kill.facts().events) {
      v1::StoredEvent& stored = controller_.events.emplace_back();
      stored.set_position(static_cast<int64_t>(controller_.events.size()));
      *stored.mutable_event() = event;
    }
  }

  // web-01/encoder hung and ended; what followed is another kill of another process.
  void StoreTwoKills() {
    KillEvents first(v1::CAUSE_HEARTBEAT);
    first.Add(v1::EVENT_KIND_HUNG, 0s);
    first.Verdict(v1::VERDICT_EXITED_ON_TERM, 1s, 900ms);
    Store(first);
    KillEvents second(v1::CAUSE_OPERATOR);
    second.NextGuardian();
    second.subject().set_kill(18);
    second.subject().mutable_incarnation()->set_pid(5000);
    second.subject().set_issuer("operator/alice");
    second.subject().set_order_id("r1/0");
    second.Verdict(v1::VERDICT_EXITED_ON_TERM, 60s, 100ms);
    Store(second);
  }

  // As one line: where it was broken depends on its width alone.
  static std::string Unwrapped(std::string text) {
    for (char& c : text) c = c == '\n' ? ' ' : c;
    return text;
  }

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(WhyCommandTest, TellsTheLatestKillOfASlot) {
  StoreTwoKills();
  const Outcome outcome = cli_.Run({"why", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out),
              AllOf(HasSubstr("an order of operator/alice to stop web-01/encoder (pid 5000)"),
                    Not(HasSubstr("hung")), HasSubstr("The slot was cleared")));
  EXPECT_THAT(controller_.filters, Contains("node=web-01 kill=18"));
}

TEST_F(WhyCommandTest, TellsTheKillThatAnEventBelongsTo) {
  StoreTwoKills();
  const Outcome outcome = cli_.Run({"why", "web-01:3:2"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out),
              AllOf(HasSubstr("web-01/encoder (pid 4182) was found hung"), HasSubstr("SIGTERM")));
}

TEST_F(WhyCommandTest, AnEventBeyondTheNewestIsFoundToo) {
  StoreTwoKills();
  for (int i = 0; i < 5001; ++i) {
    v1::StoredEvent& stored = controller_.events.emplace_back();
    stored.mutable_event()->set_node("web-01");
    stored.mutable_event()->set_kind(v1::EVENT_KIND_STALL);
  }
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "web-01:3:1"}).out), HasSubstr("was found hung"));
}

TEST_F(WhyCommandTest, ByPid) {
  StoreTwoKills();
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "web-01:4182"}).out),
              HasSubstr("web-01/encoder (pid 4182) was found hung"));
}

TEST_F(WhyCommandTest, OfALivingSlotItSaysHowItIs) {
  controller_.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120)};
  const Outcome outcome = cli_.Run({"why", "web-01/api"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(
      Unwrapped(outcome.out),
      "web-01/api (pid 4120) is alive: its last beat is at most 2.5s old, half its timeout of "
      "5s. No kill of it is recorded. ");
}

// A kill is of the whole process, under the name of the heart that caused it.
TEST_F(WhyCommandTest, AnotherHeartOfTheSameProcessFindsTheKill) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  Store(kill);
  controller_.slots = {Row("web-01", "decoder", v1::SLOT_STATE_ALIVE, 4182)};
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "web-01/decoder"}).out),
              HasSubstr("its heart encoder gave no beat"));
}

TEST_F(WhyCommandTest, AHoldIsToldWithOwnerAndReason) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  v1::Event& placed = kill.Add(v1::EVENT_KIND_HOLD_PLACED, -60s);
  placed.set_kill(0);
  placed.set_issuer("operator/alice");
  placed.set_reason("debugging");
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_OPERATOR, 1s);
  Store(kill);
  controller_.slots = {Row("web-01", "encoder", v1::SLOT_STATE_HELD, 4182)};
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "web-01/encoder"}).out),
              HasSubstr("by a hold of operator/alice (\"debugging\")."));
}

TEST_F(WhyCommandTest, AGuardianThatTookTheKillUpIsTold) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.NextGuardian();
  v1::Event& taken = kill.Add(v1::EVENT_KIND_STATE_TAKEN_UP, 1s);
  taken.set_kill(0);
  taken.clear_slot();
  taken.clear_incarnation();
  kill.Verdict(v1::VERDICT_UNKNOWN_AFTER_CRASH, 2s);
  Store(kill);
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "web-01/encoder"}).out),
              HasSubstr("At 12:00:01 another guardian took up the state of one that had ended."));
}

TEST_F(WhyCommandTest, AnEventOfNoKillIsToldAlone) {
  v1::StoredEvent& stored = controller_.events.emplace_back();
  v1::Event* event = stored.mutable_event();
  event->mutable_id()->set_origin("@ctl-1");
  event->mutable_id()->set_epoch(3);
  event->mutable_id()->set_seq(1);
  event->set_node("web-01");
  event->set_kind(v1::EVENT_KIND_NODE_LOST);
  event->set_message("not heard for 45s");
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "@ctl-1:3:1"}).out),
              AllOf(HasSubstr("on web-01: node_lost."), HasSubstr("\"not heard for 45s\"")));
}

TEST_F(WhyCommandTest, WhatIsNotKnownIsNotFound) {
  const Outcome slot = cli_.Run({"why", "web-01/none"});
  EXPECT_EQ(slot.code, ExitCode::kNothingMatched);
  EXPECT_THAT(slot.err, HasSubstr("nothing is guarded as web-01/none, and no kill of it"));
  EXPECT_EQ(cli_.Run({"why", "web-01:3:99"}).code, ExitCode::kNothingMatched);
  EXPECT_EQ(cli_.Run({"why", "web-01:x:99"}).code, ExitCode::kUsage);
  EXPECT_EQ(cli_.Run({"why", "web-01"}).code, ExitCode::kUsage);
}

TEST_F(WhyCommandTest, JsonHasTheSentencesAndTheFacts) {
  StoreTwoKills();
  const Outcome outcome = cli_.Run({"why", "web-01/encoder", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &parsed).ok())
      << outcome.out;
  EXPECT_EQ(parsed.fields().at("kill").number_value(), 18);
  EXPECT_GT(parsed.fields().at("sentences").list_value().values_size(), 1);
  const auto& facts = parsed.fields().at("facts").struct_value();
  EXPECT_EQ(facts.fields().at("slot").kind_case(), google::protobuf::Value::kNullValue);
  const auto& events = facts.fields().at("events").list_value();
  ASSERT_EQ(events.values_size(), 1);
  EXPECT_EQ(events.values(0).struct_value().fields().at("id").string_value(), "web-01:4:1");
}

class WhyProgramTest : public WhyCommandTest {
 protected:
  v1::Event* Die(const std::string& program, int64_t kill) {
    v1::StoredEvent& stored = controller_.events.emplace_back();
    stored.set_position(static_cast<int64_t>(controller_.events.size()));
    v1::Event* event = stored.mutable_event();
    event->mutable_id()->set_origin("web-01");
    event->mutable_id()->set_epoch(9);
    event->mutable_id()->set_seq(stored.position());
    event->set_kind(v1::EVENT_KIND_PROGRAM_ENDED);
    event->set_node("web-01");
    event->set_slot(program);
    event->set_program(program);
    event->set_kill(kill);
    event->mutable_incarnation()->set_pid(7);
    event->mutable_death()->set_cause(kill == 0 ? v1::CAUSE_EXIT : v1::CAUSE_OPERATOR);
    event->mutable_death()->set_status_known(true);
    event->mutable_death()->set_exit_code(3);
    event->mutable_death()->set_stderr_tail("cannot bind\n");
    return event;
  }
};

TEST_F(WhyProgramTest, AnEndThatWasNoKillIsTold) {
  StoreTwoKills();
  Die("encoder", 0);
  controller_.programs = {testing::ProgramRow("web-01", "encoder", v1::PROGRAM_STATE_RUNNING, 8)};
  const Outcome outcome = cli_.Run({"why", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out),
              AllOf(HasSubstr("web-01/encoder (pid 7) ended by itself with exit code 3"),
                    HasSubstr("Its last words on stderr were: \"cannot bind\"."),
                    HasSubstr("Now the program is running, pid 8"), Not(HasSubstr("an order of"))));
}

TEST_F(WhyProgramTest, AnEndByAKillIsTheKillsStory) {
  StoreTwoKills();
  Die("encoder", 18);
  controller_.programs = {testing::ProgramRow("web-01", "encoder", v1::PROGRAM_STATE_RUNNING, 8)};
  const Outcome outcome = cli_.Run({"why", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out),
              AllOf(HasSubstr("an order of operator/alice to stop web-01/encoder (pid 5000)"),
                    HasSubstr("Now the program is running, pid 8")));
  google::protobuf::Struct parsed;
  const Outcome json = cli_.Run({"why", "web-01/encoder", "-o", "json"});
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json.out, &parsed).ok()) << json.out;
  const auto& facts = parsed.fields().at("facts").struct_value();
  EXPECT_TRUE(facts.fields().at("death").has_struct_value());
  EXPECT_TRUE(facts.fields().at("program").has_struct_value());
}

TEST_F(WhyProgramTest, AKillAfterTheEndIsTheLatest) {
  Die("encoder", 0);
  StoreTwoKills();
  EXPECT_THAT(Unwrapped(cli_.Run({"why", "web-01/encoder"}).out), HasSubstr("an order of"));
}

TEST_F(WhyProgramTest, AnEndByItsEvent) {
  Die("tor", 0);
  const Outcome outcome = cli_.Run({"why", "web-01:9:1"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out), HasSubstr("web-01/tor (pid 7) ended by itself"));
}

TEST_F(WhyProgramTest, OfSeveralInstancesOneMustBeNamed) {
  controller_.programs = {testing::ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_RUNNING, 8),
                          testing::ProgramRow("web-01", "web@2", v1::PROGRAM_STATE_RUNNING, 9)};
  const Outcome outcome = cli_.Run({"why", "web-01/web"});
  EXPECT_EQ(outcome.code, ExitCode::kNothingMatched);
  EXPECT_THAT(outcome.err, HasSubstr("has 2 instances, name one of them: web@1, web@2"));
}

// A controller from before programs refuses their list and their filters.
TEST_F(WhyProgramTest, AnOlderControllerIsNoObstacle) {
  StoreTwoKills();
  controller_.program_failure = {grpc::StatusCode::UNIMPLEMENTED, ""};
  const Outcome outcome = cli_.Run({"why", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out), HasSubstr("an order of operator/alice"));
}

TEST_F(WhyProgramTest, AProgramThatNeverEnded) {
  controller_.programs = {testing::ProgramRow("web-01", "tor", v1::PROGRAM_STATE_STOPPED)};
  const Outcome outcome = cli_.Run({"why", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(Unwrapped(outcome.out),
              HasSubstr("No end of web-01/tor is recorded. Now the program is stopped."));
}

}  // namespace
}  // namespace procctl::cli
