#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/kill_events.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Row;
using namespace std::chrono_literals;

class SlotStoryTest : public ::testing::Test {
 protected:
  SlotStoryTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    as_of_.set_seconds(testing::kNoon);
  }

  std::string Story(const v1::FleetSlot& row, const v1::Event* would_kill = nullptr) const {
    std::string text;
    for (const std::string& s : TellSlot(row, would_kill, as_of_)) text += s + "\n";
    return text;
  }

  google::protobuf::Timestamp as_of_;
};

TEST_F(SlotStoryTest, Alive) {
  EXPECT_EQ(
      Story(Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120)),
      "web-01/api (pid 4120) is alive: its last beat is at most 2.5s old, half its timeout of "
      "5s.\nNo kill of it is recorded.\n");
}

TEST_F(SlotStoryTest, HeldByAnOperator) {
  v1::FleetSlot row = Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120);
  v1::Hold* hold = row.mutable_slot()->mutable_hold();
  hold->set_owner("operator/alice");
  hold->set_reason("debugging");
  hold->mutable_until()->set_seconds(testing::kNoon + 28 * 60);
  row.mutable_slot()->set_phase("decode");
  row.mutable_slot()->set_note("frame 9");
  EXPECT_THAT(Story(row),
              HasSubstr("It says it is doing \"decode\".\nIts note is \"frame 9\".\n"
                        "operator/alice holds it until 2026-11-22T12:28:00 (28m left), reason: "
                        "\"debugging\": no kill of it begins or goes on.\n"));
}

TEST_F(SlotStoryTest, EveryState) {
  v1::FleetSlot row = Row("web-01", "api", v1::SLOT_STATE_QUIET, 4120);
  v1::Slot* slot = row.mutable_slot();
  *slot->mutable_silence() = ToProto(3s);
  *row.mutable_reported() = ToProto(1s);
  *slot->mutable_special_limit() = ToProto(60s);
  *slot->mutable_progress_limit() = ToProto(30s);
  *slot->mutable_progress_silence() = ToProto(31s);
  slot->set_hold_reason("traced by pid 9");
  const struct {
    v1::SlotState state;
    const char* text;
  } cases[] = {
      {v1::SLOT_STATE_QUIET, "is quiet: silent for 4s, over half its timeout of 5s.\n"},
      {v1::SLOT_STATE_HUNG, "hangs: silent for 4s, limit 5s; its kill is about to begin.\n"},
      {v1::SLOT_STATE_TERM_SENT, "was sent SIGTERM and its grace is running.\n"},
      {v1::SLOT_STATE_KILL_SENT, "was sent SIGKILL and is not gone yet.\n"},
      {v1::SLOT_STATE_UNKILLABLE, "does not end on SIGKILL; it is tried again once a minute.\n"},
      {v1::SLOT_STATE_HELD, "should be stopped and is held: \"traced by pid 9\".\n"},
      {v1::SLOT_STATE_STARTING,
       "is starting: not READY yet, judged against its start grace of 1m.\n"},
      {v1::SLOT_STATE_NO_PROGRESS, "beats but made no progress for 32s, limit 30s; its kill"},
      {v1::SLOT_STATE_BUSY, "announced long work: judged against that limit of 1m.\n"},
      {v1::SLOT_STATE_GAVE_UP, "said itself that it failed; its kill is about to begin.\n"},
      {static_cast<v1::SlotState>(50), "is 50.\n"}};
  for (const auto& c : cases) {
    slot->set_state(c.state);
    EXPECT_THAT(Story(row), HasSubstr(std::string("web-01/api (pid 4120) ") + c.text));
  }
}

TEST_F(SlotStoryTest, OfANodeThatCannotBeHeardNothingIsClaimed) {
  v1::FleetSlot row = Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120);
  row.set_node_state(v1::NODE_STATE_SUSPECT);
  *row.mutable_age() = ToProto(38s);
  EXPECT_THAT(Story(row), AllOf(HasSubstr("How web-01/api (pid 4120) is cannot be told now: its "
                                          "node was last heard 38s ago, and then it was alive.\n"),
                                Not(HasSubstr("at most"))));
}

TEST_F(SlotStoryTest, WhatWouldHaveStoppedIt) {
  v1::FleetSlot row = Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120);
  row.mutable_slot()->set_observe(true);
  v1::Event event;
  event.mutable_at()->set_seconds(testing::kNoon - 60);
  event.set_message("shadow timeout 3s");
  EXPECT_THAT(Story(row, &event),
              HasSubstr("A rule of its node says observe: it is judged and reported, never "
                        "signalled.\nIt would have been stopped at 2026-11-22T11:59:00: \"shadow "
                        "timeout 3s\".\n"));
}

}  // namespace
}  // namespace procctl::cli
