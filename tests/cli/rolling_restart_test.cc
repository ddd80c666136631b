#include "cli/rolling_restart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using testing::FailedAgain;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ProgramRow;
using testing::Restarted;
using namespace std::chrono_literals;
using Phase = RollingRestart::Phase;

// A fleet of web@1, web@2 ... and the restart that looks at it.
class Fleet {
 public:
  explicit Fleet(int size) {
    for (int i = 1; i <= size; ++i) {
      list_.programs.push_back(
          ProgramRow("web-01", "web@" + std::to_string(i), v1::PROGRAM_STATE_RUNNING, 100 + i));
    }
    list_.as_of.set_seconds(testing::kNoon);
  }

  RollingRestart Roll(Share share, std::chrono::nanoseconds patience = 2min) const {
    return {list_.programs, share, patience};
  }

  v1::FleetProgram& at(size_t i) { return list_.programs[i]; }
  void Set(size_t i, v1::ProgramState state) { at(i).mutable_program()->set_state(state); }
  // As an order stops it: its old life is ending.
  void Stopping(const std::vector<size_t>& which) {
    for (const size_t i : which) Set(i, v1::PROGRAM_STATE_STOPPING);
  }
  void Up(size_t i) { Restarted(500 + static_cast<int>(i), &at(i)); }
  void Remove(size_t i) { list_.programs.erase(list_.programs.begin() + static_cast<long>(i)); }

  RollingRestart::Step Decide(RollingRestart* restart) { return restart->Decide(list_, now_); }
  void Advance(std::chrono::nanoseconds by) { now_ += by; }
  const ProgramList& list() const { return list_; }

 private:
  ProgramList list_;
  RollingRestart::Time now_{};
};

TEST(MostUnavailable, AShareIsRoundedDownAndAtLeastOne) {
  EXPECT_EQ(MostUnavailable({10, true}, 100), 10U);
  EXPECT_EQ(MostUnavailable({10, true}, 19), 1U);
  EXPECT_EQ(MostUnavailable({10, true}, 3), 1U);
  EXPECT_EQ(MostUnavailable({50, true}, 5), 2U);
  EXPECT_EQ(MostUnavailable({3, false}, 100), 3U);
  EXPECT_EQ(MostUnavailable({10, true}, 0), 1U);
  EXPECT_EQ(MostUnavailable({100, true}, 5000), 1000U);
}

TEST(RollingRestart, OneAfterAnother) {
  Fleet fleet(3);
  RollingRestart restart = fleet.Roll({1, false});
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(0));
  // The row may still show the old life; and later none.
  EXPECT_THAT(fleet.Decide(&restart).begin, IsEmpty());
  fleet.Stopping({0});
  EXPECT_THAT(fleet.Decide(&restart).begin, IsEmpty());
  fleet.Advance(3s);
  fleet.Up(0);
  const auto next = fleet.Decide(&restart);
  EXPECT_THAT(next.ready, ElementsAre(0));
  EXPECT_THAT(next.begin, ElementsAre(1));
  EXPECT_EQ(restart.took(0), 3s);
  EXPECT_FALSE(next.done);
  fleet.Up(1);
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(2));
  fleet.Up(2);
  const auto last = fleet.Decide(&restart);
  EXPECT_THAT(last.ready, ElementsAre(2));
  EXPECT_TRUE(last.done);
}

TEST(RollingRestart, ANewLifeThatIsNotReadyKeepsItsPlace) {
  Fleet fleet(2);
  RollingRestart restart = fleet.Roll({1, false});
  fleet.Decide(&restart);
  fleet.Up(0);
  fleet.Set(0, v1::PROGRAM_STATE_STARTING);
  EXPECT_THAT(fleet.Decide(&restart).begin, IsEmpty());
}

TEST(RollingRestart, TheFirstThatFailsEndsIt) {
  Fleet fleet(4);
  RollingRestart restart = fleet.Roll({50, true});
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(0, 1));
  FailedAgain(v1::PROGRAM_STATE_BACKOFF, &fleet.at(1));
  const auto step = fleet.Decide(&restart);
  EXPECT_EQ(step.failed, 1U);
  EXPECT_EQ(step.why, "backoff; last end: exit 3");
  EXPECT_THAT(step.begin, IsEmpty());
  EXPECT_FALSE(step.done);
  EXPECT_EQ(restart.phase(0), Phase::kUnderWay);
  EXPECT_EQ(restart.phase(2), Phase::kWaiting);
}

TEST(RollingRestart, OneThatFailsAfterItRanEndsItToo) {
  Fleet fleet(3);
  RollingRestart restart = fleet.Roll({1, false});
  fleet.Decide(&restart);
  fleet.Up(0);
  fleet.Decide(&restart);
  FailedAgain(v1::PROGRAM_STATE_BACKOFF, &fleet.at(0));
  const auto step = fleet.Decide(&restart);
  EXPECT_EQ(step.failed, 0U);
  EXPECT_THAT(step.why, HasSubstr("it ran again, and ended"));
}

// A run that ends well is no instance that serves.
TEST(RollingRestart, OneThatEndsWellDoesNotRunEither) {
  Fleet fleet(2);
  RollingRestart restart = fleet.Roll({1, false});
  fleet.Decide(&restart);
  FailedAgain(v1::PROGRAM_STATE_DONE, &fleet.at(0));
  fleet.at(0).mutable_program()->mutable_last_death()->set_exit_code(0);
  EXPECT_EQ(fleet.Decide(&restart).failed, 0U);
}

TEST(RollingRestart, WhatDoesNotComeBackInTimeHasFailed) {
  Fleet fleet(2);
  RollingRestart restart = fleet.Roll({1, false}, 2min);
  fleet.Decide(&restart);
  fleet.Stopping({0});
  fleet.Advance(2min);
  EXPECT_FALSE(fleet.Decide(&restart).failed.has_value());
  fleet.Advance(1ns);
  const auto step = fleet.Decide(&restart);
  EXPECT_EQ(step.failed, 0U);
  EXPECT_THAT(step.why, HasSubstr("not running after 2m: stopping"));
}

TEST(RollingRestart, WhatIsDownAlreadyComesFirstAndTakesThePlace) {
  Fleet fleet(4);
  fleet.Set(2, v1::PROGRAM_STATE_BACKOFF);
  RollingRestart restart = fleet.Roll({1, false});
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(2));
  fleet.Up(2);
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(0));
}

TEST(RollingRestart, OneThatOthersBroughtDownCounts) {
  Fleet fleet(4);
  RollingRestart restart = fleet.Roll({2, false});
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(0, 1));
  fleet.Up(0);
  // Two are down: web@2, which is under way, and web@4. Its restart brings nobody else down.
  fleet.Set(3, v1::PROGRAM_STATE_STARTING);
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(3));
  EXPECT_THAT(fleet.Decide(&restart).begin, IsEmpty());
}

TEST(RollingRestart, MoreThanItsShareIsDownAlready) {
  Fleet fleet(4);
  for (const size_t i : {1, 2, 3}) fleet.Set(i, v1::PROGRAM_STATE_BACKOFF);
  RollingRestart restart = fleet.Roll({1, false});
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(1));
  fleet.Up(1);
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(2));
}

TEST(RollingRestart, WhatIsToRestIsLeftAlone) {
  Fleet fleet(4);
  fleet.Set(0, v1::PROGRAM_STATE_STOPPED);
  fleet.Set(1, v1::PROGRAM_STATE_SCHEDULED);
  fleet.Set(2, v1::PROGRAM_STATE_DONE);
  RollingRestart restart = fleet.Roll({50, true});
  EXPECT_EQ(restart.most_unavailable(), 1U);
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(3));
  fleet.Up(3);
  EXPECT_TRUE(fleet.Decide(&restart).done);
  EXPECT_EQ(restart.phase(0), Phase::kLeftAlone);
}

TEST(RollingRestart, AllAtRestIsDoneAtOnce) {
  Fleet fleet(1);
  fleet.Set(0, v1::PROGRAM_STATE_STOPPED);
  RollingRestart restart = fleet.Roll({1, false});
  EXPECT_TRUE(fleet.Decide(&restart).done);
}

TEST(RollingRestart, ANodeThatIsNotHeardCountsAsDownAndBlocksInTheEnd) {
  Fleet fleet(3);
  fleet.at(1).set_node_state(v1::NODE_STATE_SUSPECT);
  RollingRestart restart = fleet.Roll({1, false}, 1min);
  EXPECT_THAT(fleet.Decide(&restart).begin, IsEmpty());
  fleet.Advance(1min);
  EXPECT_FALSE(fleet.Decide(&restart).failed.has_value());
  fleet.Advance(1ns);
  const auto step = fleet.Decide(&restart);
  EXPECT_EQ(step.failed, 1U);
  EXPECT_THAT(step.why, HasSubstr("no other may be restarted"));
}

TEST(RollingRestart, ABlockThatEndsIsForgotten) {
  Fleet fleet(2);
  fleet.at(1).set_node_state(v1::NODE_STATE_LOST);
  RollingRestart restart = fleet.Roll({1, false}, 1min);
  fleet.Decide(&restart);
  fleet.Advance(50s);
  fleet.at(1).set_node_state(v1::NODE_STATE_CONNECTED);
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(0));
  fleet.Up(0);
  fleet.Advance(50s);
  EXPECT_FALSE(fleet.Decide(&restart).failed.has_value());
}

TEST(RollingRestart, WhatIsGone) {
  Fleet fleet(3);
  RollingRestart restart = fleet.Roll({1, false});
  fleet.Decide(&restart);
  fleet.Remove(2);  // not begun
  EXPECT_FALSE(fleet.Decide(&restart).failed.has_value());
  EXPECT_EQ(restart.phase(2), Phase::kLeftAlone);
  fleet.Remove(0);  // under way
  EXPECT_EQ(fleet.Decide(&restart).failed, 0U);
}

TEST(RollingRestart, TheLifeThatIsStoppedIsTheNewestThatWasSeen) {
  Fleet fleet(2);
  RollingRestart restart = fleet.Roll({1, false});
  fleet.Decide(&restart);
  fleet.Up(0);
  fleet.Up(1);  // it crashed and came back while the other was restarted
  EXPECT_THAT(fleet.Decide(&restart).begin, ElementsAre(1));
  EXPECT_EQ(restart.row(1).program().incarnation().pid(), 501);
}

// Whatever the order in which instances come back, and whoever else goes down: those that this
// restart itself brings down never exceed the bound.
TEST(RollingRestart, NeverBringsDownMoreThanItMay) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const int size = 1 + static_cast<int>(random() % 12);
    Fleet fleet(size);
    RollingRestart restart =
        fleet.Roll({1 + static_cast<int>(random() % 60), true}, std::chrono::hours(1));
    std::vector<size_t> under_way;
    bool done = false;
    for (int turn = 0; turn < 500 && !done; ++turn) {
      const auto step = fleet.Decide(&restart);
      ASSERT_FALSE(step.failed.has_value()) << step.why;
      fleet.Stopping(step.begin);
      under_way.insert(under_way.end(), step.begin.begin(), step.begin.end());
      size_t down = 0;
      for (const auto& row : fleet.list().programs) {
        down += row.program().state() == v1::PROGRAM_STATE_RUNNING ? 0 : 1;
      }
      ASSERT_LE(down, restart.most_unavailable());
      done = step.done;
      if (!under_way.empty() && random() % 2 == 0) {
        const size_t pick = random() % under_way.size();
        fleet.Up(under_way[pick]);
        under_way.erase(under_way.begin() + static_cast<long>(pick));
      }
    }
    ASSERT_TRUE(done);
    for (int i = 0; i < size; ++i) {
      ASSERT_EQ(restart.phase(static_cast<size_t>(i)), Phase::kReady);
    }
  }
}

}  // namespace
}  // namespace procctl::cli
