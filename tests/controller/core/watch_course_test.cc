// The ring of a feed, and what one watcher of it gets next.
#include "controller/core/watch_course.h"

#include <gtest/gtest.h>

#include "controller/core/watch_ring.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using What = WatchCourse::What;

WatchBytes Bytes(const std::string& text) { return std::make_shared<const std::string>(text); }

class WatchRingTest : public ::testing::Test {
 protected:
  // One item each, at positions 1, 2, 3 ...
  void Add(const std::string& text) { ring_.Add(Bytes(text), 1, ++position_); }

  std::int64_t position_ = 0;
  WatchRing ring_{100, 0};
};

TEST_F(WatchRingTest, HoldsWhatFitsAndDropsTheOldest) {
  for (int i = 0; i < 10; ++i) Add(std::string(30, static_cast<char>('a' + i)));
  EXPECT_EQ(ring_.bytes(), 90U);
  EXPECT_EQ(ring_.end(), 11);
  EXPECT_EQ(ring_.first(), 8);
  EXPECT_EQ(ring_.At(7), nullptr);
  EXPECT_EQ(*ring_.At(8)->bytes, std::string(30, 'h'));
  EXPECT_EQ(ring_.At(11), nullptr);
}

TEST_F(WatchRingTest, KnowsHowMuchLiesBeforeEachBatch) {
  for (int i = 0; i < 10; ++i) Add(std::string(30, 'x'));
  EXPECT_EQ(ring_.ItemsBefore(ring_.first()), 7);
  EXPECT_EQ(ring_.ItemsBefore(ring_.end()), 10);
  EXPECT_EQ(ring_.PositionBefore(ring_.first()), 7);
  EXPECT_EQ(ring_.BytesFrom(ring_.first()), 90U);
  EXPECT_EQ(ring_.BytesFrom(ring_.end()), 0U);
}

TEST_F(WatchRingTest, OneBatchLargerThanAllOfItIsHeldAllTheSame) {
  Add("small");
  Add(std::string(1000, 'x'));
  EXPECT_EQ(ring_.bytes(), 1000U);
  EXPECT_EQ(ring_.DropOldest(), 0U);
  Add("small");
  EXPECT_EQ(ring_.bytes(), 5U);
}

TEST_F(WatchRingTest, ABreakLeavesEverybodyBehind) {
  Add("a");
  const std::int64_t end = ring_.end();
  ring_.Break(50);
  EXPECT_GT(ring_.first(), end);
  EXPECT_EQ(ring_.first(), ring_.end());
  EXPECT_EQ(ring_.PositionBefore(ring_.end()), 50);
}

class WatchCourseTest : public WatchRingTest {
 protected:
  WatchCourse::Next Take(WatchCourse* course) { return course->TakeNext(ring_, now_); }
  What TakeWhat(WatchCourse* course) { return Take(course).what; }
  std::string TakeBytes(WatchCourse* course) {
    const WatchCourse::Next next = Take(course);
    return next.bytes == nullptr ? "" : *next.bytes;
  }
  static WatchPiece Rows(const std::string& text, const std::string& node, bool end = false) {
    WatchPiece piece;
    if (!text.empty()) piece.bytes = Bytes(text);
    piece.next.node = node;
    piece.end = end;
    return piece;
  }
  static WatchPiece Past(const std::string& text, std::int64_t position) {
    WatchPiece piece;
    if (!text.empty()) piece.bytes = Bytes(text);
    piece.next.position = position;
    return piece;
  }
  // A snapshot of one piece, taken whole.
  WatchCourse LiveSlots() {
    WatchCourse course = WatchCourse::Snapshot(ring_, ring_.end());
    EXPECT_TRUE(course.AskForPiece());
    course.GivePiece(course.walk(), Rows("rows", "a", /*end=*/true));
    EXPECT_EQ(TakeBytes(&course), "rows");
    EXPECT_EQ(TakeWhat(&course), What::kSnapshotEnd);
    EXPECT_EQ(TakeWhat(&course), What::kBookmark);
    EXPECT_EQ(TakeWhat(&course), What::kNothing);
    return course;
  }

  MonoTime now_{seconds(1000)};
};

TEST_F(WatchCourseTest, SnapshotThenItsEndThenABookmarkThenChanges) {
  Add("before");
  WatchCourse course = WatchCourse::Snapshot(ring_, ring_.end());
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
  EXPECT_TRUE(course.AskForPiece());
  EXPECT_FALSE(course.AskForPiece()) << "one at a time";
  course.GivePiece(course.walk(), Rows("rows 1", "m"));
  Add("change");
  EXPECT_EQ(TakeBytes(&course), "rows 1");
  EXPECT_EQ(TakeWhat(&course), What::kNothing) << "changes wait for the snapshot";
  EXPECT_TRUE(course.AskForPiece());
  EXPECT_EQ(course.place().node, "m");
  course.GivePiece(course.walk(), Rows("", "z", /*end=*/true));
  EXPECT_EQ(TakeWhat(&course), What::kSnapshotEnd) << "the last piece may be empty";
  const WatchCourse::Next bookmark = Take(&course);
  EXPECT_EQ(bookmark.what, What::kBookmark);
  EXPECT_EQ(bookmark.sequence, 2);
  EXPECT_EQ(TakeBytes(&course), "change");
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
  EXPECT_FALSE(course.AskForPiece());
}

TEST_F(WatchCourseTest, ABookmarkGoesOnExactlyThere) {
  Add("a");
  Add("b");
  WatchCourse course = WatchCourse::ResumeSlots(ring_, 2);
  EXPECT_EQ(Take(&course).sequence, 2) << "a bookmark, at once";
  EXPECT_EQ(TakeBytes(&course), "b");
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
}

TEST_F(WatchCourseTest, ATokenOfAnotherLifeBeginsAnew) {
  WatchCourse course = WatchCourse::Snapshot(ring_, ring_.end(), "another life");
  EXPECT_EQ(Take(&course).reason, "another life");
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
  EXPECT_TRUE(course.AskForPiece());
}

TEST_F(WatchCourseTest, AWatcherOfSlotsThatFellOutGetsANewSnapshot) {
  WatchCourse course = LiveSlots();
  const std::int64_t walk = course.walk();
  for (int i = 0; i < 10; ++i) Add(std::string(30, 'x'));
  const WatchCourse::Next resync = Take(&course);
  EXPECT_EQ(resync.what, What::kResync);
  EXPECT_NE(resync.reason.find("too slow"), std::string::npos);
  EXPECT_EQ(TakeWhat(&course), What::kNothing) << "not the batches that are left: they would be "
                                                  "changes of rows it does not have";
  EXPECT_TRUE(course.AskForPiece());
  course.GivePiece(walk, Rows("of the old walk", "a", /*end=*/true));
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
  EXPECT_EQ(course.place().node, "") << "from the first row";
  course.GivePiece(course.walk(), Rows("new", "a", /*end=*/true));
  EXPECT_EQ(TakeBytes(&course), "new");
  EXPECT_EQ(TakeWhat(&course), What::kSnapshotEnd);
}

TEST_F(WatchCourseTest, ALongSnapshotLetsChangesThroughBeforeTheyAreDropped) {
  WatchCourse course = WatchCourse::Snapshot(ring_, ring_.end());
  EXPECT_TRUE(course.AskForPiece());
  for (int i = 0; i < 20; ++i) {
    Add("change of 25 bytes.......");
    ring_.AddBookmark(Bytes("mark"));
    for (;;) {
      const WatchCourse::Next next = Take(&course);
      EXPECT_NE(next.what, What::kResync);
      if (next.what == What::kNothing) break;
      EXPECT_EQ(*next.bytes, "change of 25 bytes.......")
          << "no bookmark before the snapshot's end";
    }
  }
  course.GivePiece(course.walk(), Rows("rows", "a", /*end=*/true));
  EXPECT_EQ(TakeBytes(&course), "rows");
  EXPECT_EQ(TakeWhat(&course), What::kSnapshotEnd);
}

TEST_F(WatchCourseTest, EventsOfThePastJoinTheRingWithoutHoleOrDuplicate) {
  for (int i = 0; i < 3; ++i) Add("x");
  WatchCourse course = WatchCourse::EventsAfter(ring_, 1, 0, now_);
  EXPECT_EQ(course.join_position(), 3);
  EXPECT_TRUE(course.AskForPiece());
  Add("live");
  course.GivePiece(course.walk(), Past("2", 2));
  EXPECT_EQ(TakeBytes(&course), "2");
  EXPECT_EQ(TakeWhat(&course), What::kNothing) << "the live one comes behind 3";
  EXPECT_TRUE(course.AskForPiece());
  EXPECT_EQ(course.place().position, 2);
  course.GivePiece(course.walk(), Past("3", 3));
  EXPECT_EQ(TakeBytes(&course), "3");
  const WatchCourse::Next bookmark = Take(&course);
  EXPECT_EQ(bookmark.what, What::kBookmark);
  EXPECT_EQ(bookmark.position, 3);
  EXPECT_EQ(TakeBytes(&course), "live");
}

TEST_F(WatchCourseTest, EventsAtTheEndNeedNoPast) {
  for (int i = 0; i < 3; ++i) Add("x");
  WatchCourse course = WatchCourse::EventsAfter(ring_, 3, 0, now_);
  EXPECT_FALSE(course.AskForPiece());
  EXPECT_EQ(Take(&course).position, 3);
  Add("live");
  EXPECT_EQ(TakeBytes(&course), "live");
}

TEST_F(WatchCourseTest, WhatTheRingDropsWhileThePastIsReadIsReadAsPast) {
  WatchCourse course = WatchCourse::EventsAfter(ring_, 0, 0, now_);
  EXPECT_FALSE(course.AskForPiece()) << "there is no past yet";
  Add("1");
  course = WatchCourse::EventsAfter(ring_, 0, 0, now_);
  EXPECT_TRUE(course.AskForPiece());
  for (int i = 0; i < 10; ++i) Add(std::string(30, 'x'));  // positions 2 to 11; 9 to 11 are held
  EXPECT_EQ(TakeWhat(&course), What::kNothing) << "no RESYNC: nothing is lost";
  EXPECT_EQ(course.join_position(), 8);
  course.GivePiece(course.walk(), Past("1", 1));
  EXPECT_EQ(TakeBytes(&course), "1");
  EXPECT_TRUE(course.AskForPiece()) << "not joined yet";
  course.GivePiece(course.walk(), Past("2 to 8", 8));
  EXPECT_EQ(TakeBytes(&course), "2 to 8");
  EXPECT_EQ(Take(&course).position, 8);
  EXPECT_EQ(ring_.At(9)->position_before, 8);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(TakeBytes(&course), std::string(30, 'x'));
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
}

TEST_F(WatchCourseTest, AWatcherOfEventsThatFellOutIsToldHowManyItMissed) {
  Add("1");
  WatchCourse course = WatchCourse::EventsFromNow(ring_);
  EXPECT_EQ(TakeWhat(&course), What::kBookmark);
  for (int i = 0; i < 10; ++i) Add(std::string(30, 'x'));
  const WatchCourse::Next resync = Take(&course);
  EXPECT_EQ(resync.what, What::kResync);
  EXPECT_EQ(resync.missed, 7);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(TakeWhat(&course), What::kBatch);
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
}

TEST_F(WatchCourseTest, AHoleInTheHistoryIsToldBeforeWhatFollowsIt) {
  for (int i = 0; i < 3; ++i) Add("x");
  WatchCourse course = WatchCourse::EventsAfter(ring_, 0, 0, now_);
  EXPECT_TRUE(course.AskForPiece());
  course.TellHole("gone", 2);
  course.GivePiece(course.walk(), Past("3", 3));
  const WatchCourse::Next resync = Take(&course);
  EXPECT_EQ(resync.reason, "gone");
  EXPECT_EQ(resync.missed, 2);
  EXPECT_EQ(TakeBytes(&course), "3");
}

TEST_F(WatchCourseTest, ALongPastHasBookmarksOnItsWay) {
  for (int i = 0; i < 9; ++i) Add("x");
  WatchCourse course = WatchCourse::EventsAfter(ring_, 0, 0, now_);
  EXPECT_TRUE(course.AskForPiece());
  now_ += WatchCourse::kBookmarkEvery - nanoseconds(1);
  course.GivePiece(course.walk(), Past("1", 1));
  EXPECT_EQ(TakeBytes(&course), "1");
  EXPECT_EQ(TakeWhat(&course), What::kNothing);
  EXPECT_TRUE(course.AskForPiece());
  now_ += nanoseconds(1);
  course.GivePiece(course.walk(), Past("2", 2));
  EXPECT_EQ(TakeBytes(&course), "2");
  const WatchCourse::Next bookmark = Take(&course);
  EXPECT_EQ(bookmark.what, What::kBookmark);
  EXPECT_EQ(bookmark.position, 2) << "what was sent, not what the ring has";
}

}  // namespace
}  // namespace procctl::controller
