#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "tests/cli/fake_controller.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::ElementsAre;
using testing::FakeController;
using ::testing::HasSubstr;
using testing::Outcome;

class CountCommandTest : public ::testing::Test {
 protected:
  CountCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "bob")} {
    AddGroup({"alive", "web-01"}, 120);
    AddGroup({"hung", "a\tb"}, 3);
    controller_.counts.set_total(130);
    controller_.counts.set_others(7);
    controller_.counts.mutable_summary()->set_slots(500);
  }
  void AddGroup(const std::vector<std::string>& values, int slots) {
    auto* group = controller_.counts.add_groups();
    for (const std::string& value : values) group->add_values(value);
    group->set_slots(slots);
  }

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(CountCommandTest, ShowsTheGroups) {
  const Outcome outcome =
      cli_.Run({"count", "node=web-* OR name=x", "--by", "state,node", "--limit", "2"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out,
            "STATE  NODE    SLOTS\n"
            "alive  web-01  120\n"
            "hung   a\\x09b  3\n"
            "\n"
            "130 slots, 7 of them in smaller groups (--limit shows more)\n");
  EXPECT_EQ(controller_.count_request.filter(), "node=web-* OR name=x");
  EXPECT_THAT(controller_.count_request.group_by(), ElementsAre("state", "node"));
  EXPECT_EQ(controller_.count_request.limit(), 2);
}

TEST_F(CountCommandTest, WithoutKeysItIsOneNumber) {
  controller_.counts.Clear();
  AddGroup({}, 130);
  controller_.counts.set_total(130);
  const Outcome outcome = cli_.Run({"count"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "130 slots\n");
  EXPECT_EQ(controller_.count_request.filter(), "");
  EXPECT_EQ(controller_.count_request.group_by_size(), 0);
}

TEST_F(CountCommandTest, JsonNamesTheKeys) {
  // Less than was asked for is shown as nothing.
  AddGroup({"busy"}, 1);
  const Outcome outcome = cli_.Run({"count", "--by", "state", "--by", "node", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &json).ok()) << outcome.out;
  EXPECT_EQ(json.fields().at("total").number_value(), 130);
  EXPECT_EQ(json.fields().at("others").number_value(), 7);
  EXPECT_EQ(json.fields().at("summary").struct_value().fields().at("slots").number_value(), 500);
  const auto& groups = json.fields().at("groups").list_value();
  ASSERT_EQ(groups.values_size(), 3);
  const auto& first = groups.values(0).struct_value().fields();
  EXPECT_EQ(first.at("state").string_value(), "alive");
  EXPECT_EQ(first.at("node").string_value(), "web-01");
  EXPECT_EQ(first.at("slots").number_value(), 120);
  EXPECT_EQ(groups.values(2).struct_value().fields().at("node").string_value(), "");
}

TEST_F(CountCommandTest, ARefusalKeepsItsLines) {
  controller_.failure = {grpc::StatusCode::INVALID_ARGUMENT,
                         "filter, column 1: there is no key \"x\" here\n  x=1\n  ^"};
  const Outcome outcome = cli_.Run({"count", "x=1"});
  EXPECT_NE(outcome.code, ExitCode::kOk);
  EXPECT_THAT(outcome.err, HasSubstr("here\n  x=1\n  ^"));
}

TEST_F(CountCommandTest, MoreThanTwoKeysAreRefusedBeforeAnybodyIsAsked) {
  const Outcome outcome = cli_.Run({"count", "--by", "state,node,uid"});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
}

TEST_F(CountCommandTest, OneNodeAloneHasNothingToCount) {
  const Outcome outcome = cli_.Run({"--local", "count"});
  EXPECT_EQ(outcome.code, ExitCode::kUsage) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("controller"));
}

}  // namespace
}  // namespace procctl::cli
