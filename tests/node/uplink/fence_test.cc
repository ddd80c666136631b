// Which controllers may welcome a node that knows others.
#include "node/uplink/fence.h"

#include <gtest/gtest.h>

#include "node/uplink/conflict_notes.h"
#include "tests/node/uplink/fixtures.h"

namespace procctl::uplink {
namespace {

Fence After(const std::vector<v1::Welcome>& welcomes) {
  Fence fence;
  for (const v1::Welcome& welcome : welcomes) {
    EXPECT_TRUE(CheckFence(welcome, fence).ok()) << CheckFence(welcome, fence);
    NoteWelcome(welcome, &fence);
  }
  return fence;
}

std::string WhyNot(const v1::Welcome& welcome, const Fence& fence) {
  const absl::Status status = CheckFence(welcome, fence);
  EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
  return std::string(status.message());
}

TEST(Fence, WithoutAHistoryTheSessionEpochDecidesAlone) {
  const Fence fence = After({MakeWelcome(5)});
  EXPECT_EQ(WhyNot(MakeWelcome(5), fence), "");
  EXPECT_EQ(WhyNot(MakeWelcome(6), fence), "");
  const std::string why = WhyNot(MakeWelcome(4), fence);
  EXPECT_NE(why.find("session epoch 4"), std::string::npos) << why;
  EXPECT_NE(why.find("welcomed with 5"), std::string::npos) << why;
  EXPECT_TRUE(fence.histories.empty());
}

TEST(Fence, TheSameStartAndEveryLaterOneOfADatabaseIsGood) {
  const Fence fence = After({WelcomeOf("db", 3, "a", 1)});
  EXPECT_EQ(WhyNot(WelcomeOf("db", 3, "a", 2), fence), "");
  EXPECT_EQ(WhyNot(WelcomeOf("db", 4, "b", 2), fence), "");
}

TEST(Fence, AnEarlierStartIsRefusedHoweverHighItsSessionEpoch) {
  const Fence fence = After({WelcomeOf("db", 3, "a", 1)});
  const std::string why = WhyNot(WelcomeOf("db", 2, "z", 99), fence);
  EXPECT_NE(why.find("start 2 of database db"), std::string::npos) << why;
  EXPECT_NE(why.find("start 3"), std::string::npos) << why;
  EXPECT_NE(why.find("restore"), std::string::npos) << "what can be done about it: " << why;
}

TEST(Fence, AnotherRunOfTheSameStartIsASecondController) {
  const Fence fence = After({WelcomeOf("db", 3, "a", 1)});
  const std::string why = WhyNot(WelcomeOf("db", 3, "b", 2), fence);
  EXPECT_NE(why.find("run b"), std::string::npos) << why;
  EXPECT_NE(why.find("run a"), std::string::npos) << why;
  EXPECT_NE(why.find("copies"), std::string::npos) << why;
}

TEST(Fence, ARestoredDatabaseIsANewOneAndTheOldOneKeepsItsClaim) {
  const Fence fence = After({WelcomeOf("db", 7, "a", 1), WelcomeOf("restored", 1, "b", 2)});
  EXPECT_EQ(WhyNot(WelcomeOf("restored", 1, "b", 3), fence), "");
  EXPECT_NE(WhyNot(WelcomeOf("db", 6, "c", 3), fence), "");
  EXPECT_EQ(WhyNot(WelcomeOf("db", 8, "c", 3), fence), "");
}

TEST(Fence, AControllerWithAHistoryIsNotExcusedFromTheSessionEpoch) {
  const Fence fence = After({WelcomeOf("db", 3, "a", 10)});
  EXPECT_NE(WhyNot(WelcomeOf("db", 4, "b", 9), fence), "");
}

TEST(Fence, RemembersSixteenHistoriesAndForgetsTheOneUnusedLongest) {
  Fence fence;
  for (int i = 1; i <= 16; ++i) {
    NoteWelcome(WelcomeOf("db" + std::to_string(i), 5, "a", i), &fence);
  }
  NoteWelcome(WelcomeOf("db1", 5, "a", 17), &fence);
  NoteWelcome(WelcomeOf("db17", 5, "a", 18), &fence);
  ASSERT_EQ(fence.histories.size(), Fence::kMostHistories);
  EXPECT_EQ(fence.histories.front().id, "db17");
  EXPECT_NE(WhyNot(WelcomeOf("db1", 4, "z", 19), fence), "");
  EXPECT_EQ(WhyNot(WelcomeOf("db2", 4, "z", 19), fence), "") << "the one that was forgotten";
  EXPECT_NE(WhyNot(WelcomeOf("db3", 4, "z", 19), fence), "");
}

TEST(Fence, WhatIsReadLateIsMergedAndTheHigherClaimStands) {
  const Fence earlier = After({WelcomeOf("old", 1, "o", 1), WelcomeOf("lower", 2, "l", 2),
                               WelcomeOf("higher", 9, "h", 3), WelcomeOf("equal", 4, "e", 8)});
  Fence fence = After({WelcomeOf("lower", 3, "m", 4), WelcomeOf("higher", 8, "i", 5),
                       WelcomeOf("equal", 4, "f", 6), WelcomeOf("new", 1, "n", 7)});
  MergeFence(earlier, &fence);
  EXPECT_EQ(fence.max_session_epoch, 8);
  const std::vector<KnownHistory> expected = {
      {"new", 1, "n"}, {"equal", 4, "e"}, {"higher", 9, "h"}, {"lower", 3, "m"}, {"old", 1, "o"}};
  EXPECT_EQ(fence.histories, expected);
}

TEST(Fence, AMergeKeepsTheBound) {
  Fence earlier;
  Fence fence;
  for (int i = 1; i <= 16; ++i) {
    NoteWelcome(WelcomeOf("old" + std::to_string(i), 1, "a", i), &earlier);
    if (i > 1) NoteWelcome(WelcomeOf("new" + std::to_string(i), 1, "a", i), &fence);
  }
  MergeFence(earlier, &fence);
  EXPECT_EQ(fence.histories.size(), Fence::kMostHistories);
  EXPECT_EQ(fence.histories.back().id, "old16") << "the last of the earlier ones";
}

TEST(ConflictNotes, EachRefusalIsToldOnceAnHour) {
  ConflictNotes notes;
  EXPECT_TRUE(notes.Tell("a", At(std::chrono::minutes(0))));
  EXPECT_FALSE(notes.Tell("a", At(std::chrono::minutes(59))));
  EXPECT_TRUE(notes.Tell("b", At(std::chrono::minutes(59))));
  EXPECT_TRUE(notes.Tell("a", At(std::chrono::minutes(60))));
}

TEST(ConflictNotes, AreBounded) {
  ConflictNotes notes;
  for (std::size_t i = 0; i < ConflictNotes::kMost; ++i) {
    EXPECT_TRUE(notes.Tell(std::to_string(i), At(std::chrono::seconds(1))));
  }
  EXPECT_FALSE(notes.Tell("one more", At(std::chrono::seconds(1))));
  EXPECT_TRUE(notes.Tell("one more", At(std::chrono::hours(2))));
}

}  // namespace
}  // namespace procctl::uplink
