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
using testing::FakeController;
using ::testing::HasSubstr;
using testing::KillEvents;
using ::testing::Not;
using testing::Outcome;
using testing::Row;
using namespace std::chrono_literals;

class DescribeCommandTest : public ::testing::Test {
 protected:
  DescribeCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "bob")} {
    controller_.applies_event_filters = true;
    controller_.slots = {Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 4182)};
    v1::Node node;
    node.set_id("web-01");
    node.set_state(v1::NODE_STATE_CONNECTED);
    controller_.nodes = {node};
    *controller_.description.mutable_slot()->mutable_slot() = controller_.slots[0].slot();
    controller_.description.mutable_slot()->set_beats(12345);
    controller_.description.mutable_node_detail()->set_guardian_pid(812);
    *controller_.description.mutable_node() = node;
  }

  void LoseTheNode() {
    controller_.slots[0].set_node_state(v1::NODE_STATE_LOST);
    *controller_.slots[0].mutable_age() = ToProto(95s);
    controller_.nodes[0].set_state(v1::NODE_STATE_LOST);
    controller_.describe_failure = {grpc::StatusCode::FAILED_PRECONDITION,
                                    "web-01 was last heard 95s ago"};
  }

  static google::protobuf::Struct Parse(const std::string& json) {
    google::protobuf::Struct parsed;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
    EXPECT_TRUE(status.ok()) << status << "\n" << json;
    return parsed;
  }

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(DescribeCommandTest, ASlotAndTheEvidenceOfItsLastKill) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  v1::Thread* thread = kill.Add(v1::EVENT_KIND_EVIDENCE, 0s).mutable_evidence()->add_threads();
  thread->set_tid(4711);
  thread->set_wchan("futex_wait_queue");
  *controller_.events.emplace_back().mutable_event() = kill.facts().events[0];
  const Outcome outcome = cli_.Run({"describe", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("12345"), HasSubstr("futex_wait_queue"),
                                 HasSubstr("procctl-cli why web-01/encoder\n")));
  ASSERT_EQ(controller_.descriptions.size(), 1U);
  EXPECT_EQ(controller_.descriptions[0].node(), "web-01");
  EXPECT_EQ(controller_.descriptions[0].generation(), 7);
}

TEST_F(DescribeCommandTest, ANode) {
  const Outcome outcome = cli_.Run({"describe", "web-01"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("812"), HasSubstr("Guardian"), HasSubstr("connected")));
  ASSERT_EQ(controller_.descriptions.size(), 1U);
  EXPECT_EQ(controller_.descriptions[0].generation(), 0);
}

TEST_F(DescribeCommandTest, OfANodeThatCannotBeHeardTheAgeIsShown) {
  LoseTheNode();
  const Outcome slot = cli_.Run({"describe", "web-01/encoder"});
  EXPECT_EQ(slot.code, ExitCode::kUnreachable);
  EXPECT_THAT(slot.out, AllOf(HasSubstr("not known; alive when last heard, 1m35s ago"),
                              Not(HasSubstr("12345"))));
  EXPECT_THAT(slot.err, HasSubstr("last heard 95s ago"));
  const Outcome node = cli_.Run({"describe", "web-01"});
  EXPECT_EQ(node.code, ExitCode::kUnreachable);
  EXPECT_THAT(node.out, AllOf(HasSubstr("lost"), Not(HasSubstr("Guardian"))));
}

TEST_F(DescribeCommandTest, ANodeThatIsHeardButKnowsNoDetailsIsAnotherFailure) {
  controller_.describe_failure = {grpc::StatusCode::FAILED_PRECONDITION, "no details before 0.3"};
  EXPECT_EQ(cli_.Run({"describe", "web-01/encoder"}).code, ExitCode::kFailed);
}

TEST_F(DescribeCommandTest, ANodeThatDoesNotAnswerInTimeIsNamed) {
  controller_.describe_failure = {grpc::StatusCode::DEADLINE_EXCEEDED,
                                  "web-01 did not answer within 5s"};
  const Outcome outcome = cli_.Run({"describe", "web-01"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("web-01 did not answer within 5s"));
}

TEST_F(DescribeCommandTest, WhatIsNotThere) {
  const Outcome slot = cli_.Run({"describe", "web-01/none"});
  EXPECT_EQ(slot.code, ExitCode::kNothingMatched);
  EXPECT_THAT(slot.err, HasSubstr("procctl-cli why web-01/none"));
  EXPECT_EQ(cli_.Run({"describe", "web-09"}).code, ExitCode::kNothingMatched);
  EXPECT_EQ(cli_.Run({"describe", "Not A Node"}).code, ExitCode::kUsage);
  EXPECT_TRUE(controller_.descriptions.empty());
}

TEST_F(DescribeCommandTest, Json) {
  const auto slot = Parse(cli_.Run({"describe", "web-01/encoder", "-o", "json"}).out);
  EXPECT_EQ(slot.fields().at("detail").struct_value().fields().at("beats").string_value(), "12345");
  EXPECT_EQ(slot.fields().at("evidence").kind_case(), google::protobuf::Value::kNullValue);
  LoseTheNode();
  const auto lost = Parse(cli_.Run({"describe", "web-01", "-o", "json"}).out);
  EXPECT_EQ(lost.fields().at("detail").kind_case(), google::protobuf::Value::kNullValue);
  EXPECT_EQ(lost.fields().at("node").struct_value().fields().at("id").string_value(), "web-01");
}

TEST_F(DescribeCommandTest, AProgramIsShownWithItsSlot) {
  controller_.programs = {
      testing::ProgramRow("web-01", "encoder", v1::PROGRAM_STATE_RUNNING, 4182)};
  const Outcome outcome = cli_.Run({"describe", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("12345"), HasSubstr("\nProgram web-01/encoder\n"),
                                 HasSubstr("process group only")));
  const auto json = Parse(cli_.Run({"describe", "web-01/encoder", "-o", "json"}).out);
  EXPECT_EQ(json.fields().at("program").struct_value().fields().at("node").string_value(),
            "web-01");
}

TEST_F(DescribeCommandTest, AProgramThatDoesNotRunHasNoSlot) {
  controller_.slots.clear();
  controller_.programs = {testing::ProgramRow("web-01", "tor", v1::PROGRAM_STATE_PARKED),
                          testing::ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_PARKED),
                          testing::ProgramRow("web-01", "web@2", v1::PROGRAM_STATE_PARKED)};
  const Outcome outcome = cli_.Run({"describe", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Program web-01/tor\n"), HasSubstr("parked")));
  EXPECT_TRUE(controller_.descriptions.empty());
  EXPECT_EQ(
      Parse(cli_.Run({"describe", "web-01/tor", "-o", "json"}).out).fields().at("slot").kind_case(),
      google::protobuf::Value::kNullValue);
  const Outcome several = cli_.Run({"describe", "web-01/web"});
  EXPECT_EQ(several.code, ExitCode::kNothingMatched);
  EXPECT_THAT(several.err, HasSubstr("has 2 instances, name one of them: web@1, web@2"));
  controller_.programs[0].set_node_state(v1::NODE_STATE_LOST);
  EXPECT_EQ(cli_.Run({"describe", "web-01/tor"}).code, ExitCode::kUnreachable);
}

TEST_F(DescribeCommandTest, AnOlderControllerKnowsNoPrograms) {
  controller_.program_failure = {grpc::StatusCode::UNIMPLEMENTED, ""};
  const Outcome outcome = cli_.Run({"describe", "web-01/encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("12345"), Not(HasSubstr("Program "))));
}

TEST_F(DescribeCommandTest, ASlotThatNeedNotBeatHasNoTimeout) {
  controller_.slots[0].mutable_slot()->clear_timeout();
  *controller_.description.mutable_slot()->mutable_slot() = controller_.slots[0].slot();
  const Outcome outcome = cli_.Run({"describe", "web-01/encoder"});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("none: it need not beat"), Not(HasSubstr("Silence"))));
}

}  // namespace
}  // namespace procctl::cli
