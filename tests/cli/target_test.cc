#include "cli/target.h"

#include <fnmatch.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cell.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using testing::Row;

TEST(ParseTarget, ReadsSlotsAndPids) {
  EXPECT_EQ(*ParseTarget("web-01/encoder"), (TargetName{"web-01", "encoder", {}}));
  EXPECT_EQ(*ParseTarget("web-01:4182"), (TargetName{"web-01", "", 4182}));
  EXPECT_EQ(ParseTarget("web-01:4182")->ToString(), "web-01:4182");
  EXPECT_EQ(ParseTarget("web-01/encoder.2")->ToString(), "web-01/encoder.2");
}

TEST(ParseTarget, ASlotMayHoldAnythingAfterTheFirstSlash) {
  EXPECT_EQ(*ParseTarget("n/a/b:7 c"), (TargetName{"n", "a/b:7 c", {}}));
}

TEST(ParseTarget, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {{"encoder", "no slot"},
                                                       {"", "no slot"},
                                                       {"web-01/", "slot is missing"},
                                                       {"/x", "node"},
                                                       {"Web/x", "node"},
                                                       {"web-01:", "pid"},
                                                       {"web-01:1", "pid"},
                                                       {"web-01:0", "pid"},
                                                       {"web-01:-4", "pid"},
                                                       {"web-01:4x", "pid"},
                                                       {"web-01:99999999999", "pid"},
                                                       {"*/x", "node"},
                                                       {"a,b/x", "node"}};
  for (const auto& [text, why] : cases) {
    const auto parsed = ParseTarget(text);
    ASSERT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(why)) << text;
  }
}

TEST(Incarnation, SurvivesTheRoundTrip) {
  v1::Incarnation incarnation;
  incarnation.set_boot_id("b7e1f0c2-0000");
  incarnation.set_pid(4182);
  incarnation.set_start_ticks(123456789012);
  incarnation.set_generation(7);
  const std::string text = IncarnationText(incarnation);
  EXPECT_EQ(text, "b7e1f0c2-0000:4182:123456789012:7");
  const auto parsed = ParseIncarnation(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(IncarnationText(*parsed), text);
}

TEST(Incarnation, RefusesWhatIsNotWhole) {
  for (const char* text : {"", "b:1:2", "b:2:3", ":2:3:4", "b:1:3:4", "b:x:3:4", "b:2:3:4:5",
                           "b:2:3:0", "b:2:-3:4", "b:2::4", "b:2:3:"}) {
    EXPECT_FALSE(ParseIncarnation(text).ok()) << text;
  }
}

TEST(FilterFor, AsksForNoMoreThanItMust) {
  EXPECT_EQ(FilterFor({{"web-01", "encoder", {}}}), "node=web-01 slot=encoder");
  EXPECT_EQ(FilterFor({{"web-01", "", 7}, {"web-02", "", 8}}), "node=web-01,web-02 pid=7,8");
  EXPECT_EQ(FilterFor({{"web-01", "a", {}}, {"web-01", "", 8}}), "node=web-01");
}

TEST(FilterFor, WhatTheGrammarCannotSayBecomesAPattern) {
  EXPECT_EQ(FilterFor({{"n", "my worker", {}}}), "node=n slot=my*worker");
  EXPECT_EQ(FilterFor({{"n", "a,b=c", {}}}), "node=n slot=a*b*c");
  EXPECT_EQ(FilterFor({{"n", "日本", {}}}), "node=n slot=*");
}

// Whatever a label holds, typed as it is or as a table shows it, the controller's answer holds its
// row.
TEST(FilterFor, AlwaysCoversTheRowThatIsMeant) {
  for (const char* label : {"my worker", "a\\x1b[31mb", "a, b=c", "日本\u3000語", "x\\", "\\x2",
                            "a*b?c", "tab\there"}) {
    for (const std::string& typed : {std::string(label), Cell(label)}) {
      const std::string filter = FilterFor({{"n", typed, {}}});
      const std::string prefix = "node=n slot=";
      ASSERT_EQ(filter.substr(0, prefix.size()), prefix);
      const std::string glob = filter.substr(prefix.size());
      EXPECT_EQ(glob.find_first_of(" ,=\t"), std::string::npos) << glob;
      EXPECT_EQ(fnmatch(glob.c_str(), label, FNM_NOESCAPE), 0) << glob << " for " << label;
    }
  }
}

TEST(FilterFor, TooManyNamesAreFilteredHere) {
  std::vector<TargetName> names;
  for (int i = 0; i < 63; ++i) names.push_back({"n", "s" + std::to_string(i), {}});
  EXPECT_NE(FilterFor(names), "");  // 64 values with the node
  names.push_back({"n", "one-more", {}});
  EXPECT_EQ(FilterFor(names), "");
  EXPECT_EQ(FilterFor({{"n", std::string(5000, 'x'), {}}}), "");
}

TEST(Match, IsExact) {
  const std::vector<v1::FleetSlot> rows = {Row("n", "worker.2", v1::SLOT_STATE_ALIVE, 11),
                                           Row("n", "worker", v1::SLOT_STATE_ALIVE, 12),
                                           Row("m", "worker", v1::SLOT_STATE_ALIVE, 13)};
  EXPECT_EQ(Match({"n", "worker", {}}, rows), &rows[1]);
  EXPECT_EQ(Match({"m", "worker", {}}, rows), &rows[2]);
  EXPECT_EQ(Match({"n", "", 11}, rows), &rows[0]);
  EXPECT_EQ(Match({"n", "work*", {}}, rows), nullptr);
  EXPECT_EQ(Match({"m", "", 11}, rows), nullptr);
}

// What a table shows can be typed back.
TEST(Match, TakesTheLabelAsATableShowsIt) {
  const std::vector<v1::FleetSlot> rows = {Row("n", "my worker", v1::SLOT_STATE_ALIVE, 11)};
  EXPECT_EQ(Match({"n", "my worker", {}}, rows), &rows[0]);
  EXPECT_EQ(Match({"n", Cell("my worker"), {}}, rows), &rows[0]);
}

}  // namespace
}  // namespace procctl::cli
