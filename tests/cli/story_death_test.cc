#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "cli/story.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kNoon;
using ::testing::Not;
using testing::ProgramRow;
using testing::Row;

class StoryDeathTest : public ::testing::Test {
 protected:
  StoryDeathTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    noon_.set_seconds(kNoon);
    event_.set_kind(v1::EVENT_KIND_PROGRAM_ENDED);
    event_.set_node("web-01");
    event_.set_program("tor");
    event_.mutable_incarnation()->set_pid(7);
    *event_.mutable_at() = noon_;
    v1::Death* death = event_.mutable_death();
    death->set_cause(v1::CAUSE_EXIT);
    death->set_status_known(true);
    death->set_exit_code(3);
    death->mutable_ran()->set_seconds(120);
  }

  google::protobuf::Timestamp noon_;
  v1::Event event_;
};

TEST_F(StoryDeathTest, TellsTheEndTheNextStartAndTheLastWords) {
  event_.mutable_death()->mutable_next_start()->set_seconds(kNoon + 4);
  event_.mutable_death()->set_stderr_tail("one\ntwo\nthree\n\nfour \"x\"\x1b\n");
  event_.mutable_death()->mutable_cpu()->set_seconds(3);
  event_.mutable_death()->set_max_resident(12 << 20);
  event_.mutable_death()->set_oom_kills(1);
  const auto running = ProgramRow("web-01", "tor", v1::PROGRAM_STATE_RUNNING, 8);
  EXPECT_THAT(TellDeath(event_, &running, noon_),
              ElementsAre("At 2026-11-22T12:00:00 web-01/tor (pid 7) ended by itself with exit "
                          "code 3 after 2m; it is started again at 2026-11-22T12:00:04.",
                          "Its last words on stderr were: \"two\", \"three\" and "
                          "\"four 'x'\\x1b\".",
                          "In its life it used 3s of CPU and 12 MiB of memory at most.",
                          "Memory ran out in its cgroup 1 time meanwhile.",
                          "Now the program is running, pid 8, started at 2026-11-22T11:59:00."));
}

TEST_F(StoryDeathTest, WhatIsNotRecordedIsNotTold) {
  EXPECT_THAT(TellDeath(event_, nullptr, noon_),
              ElementsAre("At 2026-11-22T12:00:00 web-01/tor (pid 7) ended by itself with exit "
                          "code 3 after 2m; it is not started again by itself."));
}

TEST_F(StoryDeathTest, ItCouldNotBeStarted) {
  event_.set_kind(v1::EVENT_KIND_PROGRAM_START_FAILED);
  event_.clear_incarnation();
  event_.clear_death();
  event_.set_message("no such file");
  EXPECT_THAT(TellDeath(event_, nullptr, noon_),
              ElementsAre("At 2026-11-22T12:00:00 web-01/tor could not be started: \"no such "
                          "file\"; it is not started again by itself."));
}

TEST_F(StoryDeathTest, OfANodeThatIsNotHeardNothingIsToldAsNews) {
  auto row = ProgramRow("web-01", "tor", v1::PROGRAM_STATE_RUNNING, 8);
  row.set_node_state(v1::NODE_STATE_LOST);
  row.mutable_age()->set_seconds(95);
  EXPECT_EQ(ProgramNow(row, noon_),
            "How the program is now cannot be told: its node was last heard 1m35s ago, and then "
            "it was running, pid 8.");
}

TEST_F(StoryDeathTest, ASlotThatNeedNotBeatIsNotJudgedByItsBeats) {
  auto row = Row("web-01", "tor", v1::SLOT_STATE_ALIVE, 7);
  row.mutable_slot()->clear_timeout();
  EXPECT_THAT(TellSlot(row, nullptr, noon_).front(),
              AllOf(HasSubstr("runs; it need not beat"), Not(HasSubstr("0ms"))));
}

}  // namespace
}  // namespace procctl::cli
