#include "node/core/watch.h"

#include <gtest/gtest.h>

#include "tests/node/core/fake_host.h"

namespace procctl::node {
namespace {

class WatchTest : public ::testing::Test {
 protected:
  Slot& Register(HeartTerms more = {}) { return host_.Register(7, "h", 5s, more); }
  v1::SlotState Look(Nanos credited) {
    Watch watch(&host_.table(), {});
    watch.Scan(credited, &findings_);
    return static_cast<v1::SlotState>(host_.table().cell(host_.slot("h")).judged);
  }
  procctl_page& page() { return host_.page("h"); }

  FakeHost host_{{}, SlotRuleBook({.max_busy = 60s}, {})};
  Findings findings_;
};

TEST_F(WatchTest, AtTheLimitItselfAHeartStillLives) {
  Register();
  EXPECT_EQ(Look(5s), v1::SLOT_STATE_QUIET);
  EXPECT_EQ(Look(1ns), v1::SLOT_STATE_HUNG);
  EXPECT_EQ(findings_.due.size(), 1u);
  EXPECT_EQ(findings_.changed.size(), 1u);
}

TEST_F(WatchTest, QuietBeginsPastHalfOfTheTimeout) {
  Register();
  EXPECT_EQ(Look(2500ms), v1::SLOT_STATE_ALIVE);
  EXPECT_EQ(Look(1ns), v1::SLOT_STATE_QUIET);
}

TEST_F(WatchTest, AnyChangeIsABeatAlsoOneBackwards) {
  Register();
  Look(5s);
  page().beats = 0xffffffffffffffff;
  EXPECT_EQ(Look(4s), v1::SLOT_STATE_ALIVE);
  page().beats = 3;
  EXPECT_EQ(Look(4s), v1::SLOT_STATE_ALIVE);
}

TEST_F(WatchTest, BeatsWithoutProgressAreAStateOfTheirOwn) {
  Register({.timeout = {}, .progress_limit = 10s, .start_grace = {}});
  for (int i = 0; i < 10; ++i) {
    ++page().beats;
    EXPECT_EQ(Look(1s), v1::SLOT_STATE_ALIVE);
  }
  ++page().beats;
  EXPECT_EQ(Look(1ns), v1::SLOT_STATE_NO_PROGRESS);
  EXPECT_EQ(SymptomOf(host_.table().cell(host_.slot("h"))), v1::SYMPTOM_NO_PROGRESS);
  ++page().progress;
  ++page().beats;
  EXPECT_EQ(Look(1s), v1::SLOT_STATE_ALIVE);
}

TEST_F(WatchTest, AStartGraceEndsWithReadyAndIsNotProlongedByBeats) {
  Register({.timeout = {}, .progress_limit = {}, .start_grace = 30s});
  for (int i = 0; i < 30; ++i) {
    ++page().beats;
    EXPECT_EQ(Look(1s), v1::SLOT_STATE_STARTING);
  }
  ++page().beats;
  EXPECT_EQ(Look(1ns), v1::SLOT_STATE_HUNG);
  EXPECT_EQ(SymptomOf(host_.table().cell(host_.slot("h"))), v1::SYMPTOM_NOT_READY);
  page().flags |= PROCCTL_PAGE_READY;
  EXPECT_FALSE(StillDue(host_.table().cell(host_.slot("h")), v1::SYMPTOM_NOT_READY));
  EXPECT_EQ(Look(1s), v1::SLOT_STATE_ALIVE);
  EXPECT_EQ(Look(6s), v1::SLOT_STATE_HUNG);
}

TEST_F(WatchTest, AnnouncedWorkHasItsOwnLimitWithinThePolicy) {
  Register();
  page().busy_ms = 20'000;
  page().busy_count = 1;
  page().flags |= PROCCTL_PAGE_BUSY;
  ++page().beats;
  EXPECT_EQ(Look(100ms), v1::SLOT_STATE_BUSY);
  EXPECT_EQ(Look(20s), v1::SLOT_STATE_BUSY);
  EXPECT_EQ(Look(1ns), v1::SLOT_STATE_HUNG);
  EXPECT_EQ(SymptomOf(host_.table().cell(host_.slot("h"))), v1::SYMPTOM_BUSY_TOO_LONG);
  // A second announcement, over the policy of a minute.
  page().busy_ms = UINT64_MAX;
  page().busy_count = 2;
  ++page().beats;
  EXPECT_EQ(Look(100ms), v1::SLOT_STATE_BUSY);
  EXPECT_EQ(Look(60s), v1::SLOT_STATE_BUSY);
  EXPECT_EQ(Look(1ns), v1::SLOT_STATE_HUNG);
  const v1::SlotDetail detail = host_.enforcer().DetailOf(host_.slot("h"));
  EXPECT_EQ(detail.busy_count(), 2);
  EXPECT_EQ(detail.busy_cut(), 1);
  page().flags &= ~PROCCTL_PAGE_BUSY;
  ++page().beats;
  EXPECT_EQ(Look(1s), v1::SLOT_STATE_ALIVE);
  EXPECT_EQ(Look(6s), v1::SLOT_STATE_HUNG) << "the old timeout holds again";
}

TEST_F(WatchTest, AnnouncingShortWorkNeverShortensTheTimeout) {
  Register();
  page().busy_ms = 1;
  page().flags |= PROCCTL_PAGE_BUSY;
  ++page().beats;
  Look(100ms);
  EXPECT_EQ(Look(5s), v1::SLOT_STATE_BUSY);
}

TEST_F(WatchTest, ProgressIsNotJudgedDuringAnnouncedWork) {
  Register({.timeout = {}, .progress_limit = 10s, .start_grace = {}});
  page().busy_ms = 60'000;
  page().flags |= PROCCTL_PAGE_BUSY;
  ++page().beats;
  Look(100ms);
  EXPECT_EQ(Look(30s), v1::SLOT_STATE_BUSY);
  page().flags &= ~PROCCTL_PAGE_BUSY;
  ++page().beats;
  EXPECT_EQ(Look(1s), v1::SLOT_STATE_ALIVE);
}

TEST_F(WatchTest, APageThatNobodyTookUpIsClosedNotJudged) {
  Register();
  page().beats = 0;
  Look(100ms);
  EXPECT_TRUE(findings_.closed.empty());
  Look(Watch::kUnclaimed);
  EXPECT_TRUE(findings_.closed.empty());
  Look(1ns);
  EXPECT_EQ(findings_.closed.size(), 1u);
  EXPECT_TRUE(findings_.due.empty());
}

TEST_F(WatchTest, FlagsNobodyKnowsChangeNothing) {
  Register();
  page().flags = ~(PROCCTL_PAGE_FAILED | PROCCTL_PAGE_BUSY | PROCCTL_PAGE_CLOSED);
  EXPECT_EQ(Look(1s), v1::SLOT_STATE_ALIVE);
}

TEST_F(WatchTest, WhatIsOverForOneReasonIsNotDueForAnother) {
  Register({.timeout = {}, .progress_limit = 10s, .start_grace = {}});
  Look(11s);
  const HeartCell& cell = host_.table().cell(host_.slot("h"));
  ASSERT_TRUE(StillDue(cell, v1::SYMPTOM_SILENT));
  ++page().beats;
  Look(100ms);
  ASSERT_EQ(cell.judged, v1::SLOT_STATE_NO_PROGRESS);
  EXPECT_FALSE(StillDue(cell, v1::SYMPTOM_SILENT)) << "it beat";
  EXPECT_TRUE(StillDue(cell, v1::SYMPTOM_NO_PROGRESS));
}

TEST(Census, CountsWhoWentSilentTogetherWithOneThatIsDue) {
  FakeHost host;
  host.Register(10, "a", 5s);
  host.Register(11, "b", 60s);
  host.Register(12, "c", 60s);
  host.Register(13, "d", 60s);
  Findings findings;
  Watch watch(&host.table(), {});
  watch.Scan(31s, &findings);
  const SilenceCensus census = watch.Census(10s);
  EXPECT_EQ(census.slots, 4);
  EXPECT_EQ(census.silent_together, 4);
  EXPECT_EQ(census.processes_together, 4);
  host.Beat("d");
  watch.Scan(1s, &findings);
  EXPECT_EQ(watch.Census(10s).silent_together, 3);
}

}  // namespace
}  // namespace procctl::node
