#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "proto/support/version.h"
#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::ElementsAre;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::Row;

class ListCommandTest : public ::testing::Test {
 protected:
  ListCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "bob")} {}

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

TEST_F(ListCommandTest, ShowsTheFleet) {
  controller_.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120)};
  controller_.summary.set_nodes_connected(1);
  const Outcome outcome = cli_.Run({"list"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web-01  api"), HasSubstr("<2.5s"),
                                 HasSubstr("1 node (1 connected), 1 slot: 1 alive. As of ")));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ListCommandTest, TakesAllPages) {
  for (int i = 0; i < 25; ++i) {
    controller_.slots.push_back(Row("n", "s" + std::to_string(i), v1::SLOT_STATE_ALIVE, 100 + i));
  }
  controller_.page_size = 10;
  const Outcome outcome = cli_.Run({"list"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.filters.size(), 3U);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("s0 "), HasSubstr("s24 "), HasSubstr("25 slots")));
}

TEST_F(ListCommandTest, PassesTheFilterOn) {
  EXPECT_EQ(cli_.Run({"list", "--node", "web-*", "--state", "hung"}).code, ExitCode::kOk);
  EXPECT_THAT(controller_.filters, ElementsAre("node=web-* state=hung"));
}

TEST_F(ListCommandTest, AnEmptyListIsSuccess) {
  const Outcome outcome = cli_.Run({"list", "--node", "none"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_THAT(outcome.out, HasSubstr("0 of 0 slots matched"));
}

// A controller that gives the same page for ever must not hold the CLI for ever.
TEST_F(ListCommandTest, ARepeatedPageIsAnError) {
  controller_.slots.assign(30, Row("n", "a", v1::SLOT_STATE_ALIVE, 11));
  controller_.page_size = 10;
  controller_.repeats_pages = true;
  const Outcome outcome = cli_.Run({"list"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("repeats a page"));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(ListCommandTest, AListThatBreaksOffInTheMiddleShowsNoHalf) {
  controller_.slots.assign(30, Row("n", "a", v1::SLOT_STATE_ALIVE, 11));
  controller_.page_size = 10;
  controller_.failure = {grpc::StatusCode::ABORTED, "the list changed; begin again"};
  controller_.pages_before_failure = 2;
  const Outcome outcome = cli_.Run({"list"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("begin again"));
}

TEST_F(ListCommandTest, HostileNamesReachNeitherTheTerminalNorBreakTheRows) {
  controller_.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120),
                       Row("web-01", "\x1b]0;owned\x07 \u202e\n\xc2\x9b", v1::SLOT_STATE_HUNG, 666),
                       Row("web-01", "last", v1::SLOT_STATE_ALIVE, 4121)};
  const Outcome table = cli_.Run({"list"});
  EXPECT_EQ(table.code, ExitCode::kOk) << table.err;
  for (const char* raw : {"\x1b", "\x07", "\u202e", "\xc2\x9b"}) {
    EXPECT_THAT(table.out, Not(HasSubstr(raw)));
  }
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 6);
  EXPECT_THAT(table.out, AllOf(HasSubstr("api"), HasSubstr("666"), HasSubstr("last")));

  const Outcome json = cli_.Run({"list", "-o", "json"});
  EXPECT_EQ(json.code, ExitCode::kOk);
  EXPECT_THAT(json.out, Not(HasSubstr("\x1b")));
  EXPECT_EQ(Parse(json.out).fields().at("slots").list_value().values_size(), 3);
}

TEST_F(ListCommandTest, ARowWithAbsurdTimesDoesNotCostTheOthers) {
  controller_.slots = {Row("n", "a", v1::SLOT_STATE_ALIVE, 11),
                       Row("n", "b", v1::SLOT_STATE_HUNG, 12)};
  controller_.slots[1].mutable_slot()->mutable_silence()->set_seconds(INT64_MAX);
  const Outcome json = cli_.Run({"list", "-o", "json"});
  EXPECT_EQ(json.code, ExitCode::kOk) << json.err;
  EXPECT_EQ(Parse(json.out).fields().at("slots").list_value().values_size(), 2);
}

// proto3 refuses the whole message; a controller must never send it, and if one does we say so.
TEST_F(ListCommandTest, AnAnswerThatIsNotUtf8IsAnErrorAndNotACrash) {
  controller_.slots = {Row("n", "\xff\xfe", v1::SLOT_STATE_ALIVE, 11)};
  const Outcome outcome = cli_.Run({"list", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(
      Parse(outcome.err).fields().at("error").struct_value().fields().at("code").string_value(),
      "INTERNAL");
}

TEST_F(ListCommandTest, Nodes) {
  v1::Node node;
  node.set_id("web-01");
  node.set_state(v1::NODE_STATE_LOST);
  controller_.nodes = {node};
  const Outcome table = cli_.Run({"list", "nodes"});
  EXPECT_EQ(table.code, ExitCode::kOk);
  EXPECT_THAT(table.out, AllOf(HasSubstr("web-01  lost"), HasSubstr("1 node: 0 connected")));
  const Outcome json = cli_.Run({"list", "nodes", "-o", "json"});
  EXPECT_EQ(Parse(json.out).fields().at("nodes").list_value().values_size(), 1);
}

TEST_F(ListCommandTest, VersionTellsBothSides) {
  const Outcome outcome = cli_.Run({"version"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(outcome.out, "procctl-cli " + std::string(kVersion) +
                             "\ncontroller ctl-1 9.9.9, fleet test; you are operator/alice\n");
  const auto json = Parse(cli_.Run({"version", "-o", "json"}).out);
  EXPECT_EQ(json.fields().at("controller").struct_value().fields().at("you").string_value(),
            "operator/alice");
}

TEST_F(ListCommandTest, VersionNeedsNoController) {
  Cli alone;
  const Outcome outcome = alone.Run({"version"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(outcome.out, "procctl-cli " + std::string(kVersion) + "\n");
}

TEST_F(ListCommandTest, NodesAreAskedForUsageOnlyWhereItIsShown) {
  controller_.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120)};
  v1::Usage* usage = controller_.slots[0].mutable_usage();
  usage->set_cpu_percent(97);
  usage->set_resident(22'544'384);
  usage->set_threads(4);
  usage->set_descriptors(12);
  EXPECT_EQ(cli_.Run({"list"}).code, ExitCode::kOk);
  EXPECT_FALSE(controller_.asked_for_usage);
  EXPECT_THAT(cli_.Run({"list", "-o", "wide"}).out,
              HasSubstr("  97%  21.5MiB  4        12   api "));
  EXPECT_TRUE(controller_.asked_for_usage);
  const auto json = Parse(cli_.Run({"list", "-o", "json"}).out);
  EXPECT_TRUE(controller_.asked_for_usage);
  const auto& row = json.fields().at("slots").list_value().values(0).struct_value();
  const auto& shown = row.fields().at("usage").struct_value().fields();
  EXPECT_EQ(shown.at("cpuPercent").number_value(), 97);
  EXPECT_EQ(shown.at("resident").string_value(), "22544384");
  EXPECT_EQ(cli_.Run({"list", "-o", "wide", "--timeout", "3s"}).code, ExitCode::kOk);
  EXPECT_FALSE(controller_.asked_for_usage) << "there is no time for it";
}

TEST_F(ListCommandTest, ASlotThatNeedNotBeatHasNeitherBeatNorTimeout) {
  controller_.slots = {Row("web-01", "tor", v1::SLOT_STATE_ALIVE, 4120)};
  controller_.slots[0].mutable_slot()->clear_timeout();
  controller_.slots[0].mutable_slot()->set_door(v1::DOOR_PROGRAM);
  EXPECT_THAT(cli_.Run({"list"}).out, HasSubstr("web-01  tor   alive  4120  -     -        1h"));
  EXPECT_THAT(cli_.Run({"list", "-o", "wide"}).out, HasSubstr("  program  "));
}

}  // namespace
}  // namespace procctl::cli
