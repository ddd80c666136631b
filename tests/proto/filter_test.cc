#include "proto/support/filter.h"

#include <gtest/gtest.h>

#include "procctl/v1/event.pb.h"
#include "proto/support/filter_schemas.h"

namespace procctl {
namespace {

struct Row {
  std::string node = "web-01";
  std::string name = "encoder";
  std::string label = "encoder.2";
  v1::SlotState state = v1::SLOT_STATE_HUNG;
  int pid = 4242;
  v1::Door door = v1::DOOR_NATIVE;

  std::string_view Text(int key) const {
    return key == kSlotKeyNode ? node : key == kSlotKeyName ? name : label;
  }
  std::int64_t Number(int) const { return pid; }
  int Choice(int key) const {
    return key == kSlotKeyDoor ? static_cast<int>(door) : static_cast<int>(state);
  }
};

bool Holds(std::string_view text, const Row& row = {}) {
  auto filter = Filter::Parse(text, SlotFilterSchema());
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() && filter->Matches(row);
}

std::string Refusal(std::string_view text) {
  const auto filter = Filter::Parse(text, SlotFilterSchema());
  EXPECT_FALSE(filter.ok()) << text;
  return std::string(filter.status().message());
}

TEST(Filter, EmptyMeansEverything) {
  EXPECT_TRUE(Holds(""));
  EXPECT_TRUE(Holds("  \t"));
}

TEST(Filter, AllTermsMustHold) {
  EXPECT_TRUE(Holds("node=web-01 state=hung"));
  EXPECT_FALSE(Holds("node=web-01 state=alive"));
}

TEST(Filter, AListMeansAnyOfThem) {
  EXPECT_TRUE(Holds("state=alive,hung"));
  EXPECT_TRUE(Holds("pid=1,4242"));
  EXPECT_TRUE(Holds("node=db-*,web-*"));
  EXPECT_FALSE(Holds("node=db-*,mail"));
}

TEST(Filter, NotEqualMeansNoneOfThem) {
  EXPECT_FALSE(Holds("state!=alive,hung"));
  EXPECT_TRUE(Holds("state!=alive,quiet"));
  EXPECT_FALSE(Holds("name!=enc*"));
}

TEST(Filter, ChoicesMayBeWrittenInCapitalsAndWithWildCards) {
  EXPECT_TRUE(Holds("state=HUNG"));
  EXPECT_TRUE(Holds("state=*_sent,hung"));
  EXPECT_FALSE(Holds("state=*_sent"));
}

TEST(Filter, AChoiceUnknownToThisVersionEqualsNothing) {
  Row row;
  row.state = static_cast<v1::SlotState>(99);
  EXPECT_FALSE(Holds("state=*", row));
  EXPECT_TRUE(Holds("state!=alive", row));
}

TEST(Filter, AMisspeltKeyIsToldWhichThereAre) {
  EXPECT_EQ(Refusal("nod=x"),
            "filter: there is no key \"nod\" here; keys are node, name, slot, state, pid, door");
}

TEST(Filter, AMisspeltStateIsToldWhichThereAre) {
  EXPECT_EQ(Refusal("state=dead"),
            "filter: state=dead: no such state; it is one of alive, quiet, hung, term_sent, "
            "kill_sent, unkillable, held, stale, starting, no_progress, busy, gave_up");
}

TEST(Filter, WhatIsNoTermIsRefused) {
  EXPECT_NE(Refusal("web-01").find("KEY=VALUE"), std::string::npos);
  EXPECT_NE(Refusal("=x").find("KEY=VALUE"), std::string::npos);
  EXPECT_NE(Refusal("node=").find("node=*"), std::string::npos);
  EXPECT_NE(Refusal("node=a,").find("empty value"), std::string::npos);
  EXPECT_NE(Refusal("pid=12x").find("a number is needed"), std::string::npos);
}

TEST(Filter, SizeIsBounded) {
  EXPECT_NE(Refusal("name=" + std::string(5000, 'x')).find("4096"), std::string::npos);
  std::string many = "pid=1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_NE(Refusal(many).find("at most 64"), std::string::npos);
}

TEST(Filter, FingerprintsOfDifferentFiltersDiffer) {
  EXPECT_NE(Filter::Parse("node=a", SlotFilterSchema())->fingerprint(),
            Filter::Parse("node=b", SlotFilterSchema())->fingerprint());
  EXPECT_EQ(Filter().fingerprint(), 0U);
}

TEST(FilterSchemas, EveryEventKindCanBeFilteredBy) {
  const FilterSchema& schema = EventFilterSchema();
  EXPECT_EQ(schema[kEventKeyKind].choices[v1::EVENT_KIND_VERDICT], "verdict");
  EXPECT_EQ(schema[kEventKeyVerdict].choices[v1::VERDICT_EXITED_ON_TERM], "exited_on_term");
  EXPECT_EQ(schema[kEventKeyCause].choices[v1::CAUSE_OPERATOR], "operator");
  EXPECT_EQ(schema[kEventKeyOrder].name, "order");
  EXPECT_EQ(SlotFilterSchema()[kSlotKeyDoor].choices[v1::DOOR_CLASSIC], "classic");
}

}  // namespace
}  // namespace procctl
