#include "node/core/silence.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Silence, GrowsByWhatIsCreditedWhileTheCounterStandsStill) {
  Silence silence(7);
  EXPECT_FALSE(silence.Look(7, milliseconds(100)));
  EXPECT_FALSE(silence.Look(7, milliseconds(200)));
  EXPECT_EQ(silence.length(), milliseconds(300));
}

TEST(Silence, AnyChangeIsABeatAlsoBackwards) {
  Silence silence(7);
  silence.Look(7, seconds(4));
  EXPECT_TRUE(silence.Look(6, milliseconds(100)));
  EXPECT_EQ(silence.length(), Nanos(0));
  silence.Look(6, seconds(4));
  EXPECT_TRUE(silence.Look(0, milliseconds(100)));
  EXPECT_EQ(silence.length(), Nanos(0));
}

TEST(Silence, SecondLookSeesABeatWithoutTimePassing) {
  Silence silence(7);
  silence.Look(7, seconds(6));
  EXPECT_FALSE(silence.Moved(7));
  EXPECT_TRUE(silence.Moved(8));
  EXPECT_EQ(silence.length(), seconds(6));
}

TEST(JudgeSilence, BeatExactlyAtLimitIsAlive) {
  EXPECT_EQ(JudgeSilence(seconds(5), seconds(5)), v1::SLOT_STATE_QUIET);
  EXPECT_EQ(JudgeSilence(seconds(5) + nanoseconds(1), seconds(5)), v1::SLOT_STATE_HUNG);
}

TEST(JudgeSilence, QuietBeginsPastHalfTheTimeout) {
  EXPECT_EQ(JudgeSilence(milliseconds(2500), seconds(5)), v1::SLOT_STATE_ALIVE);
  EXPECT_EQ(JudgeSilence(milliseconds(2500) + nanoseconds(1), seconds(5)), v1::SLOT_STATE_QUIET);
}

}  // namespace
}  // namespace procctl::node
