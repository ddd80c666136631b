// The brakes as a node feels them.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "tests/node/core/fake_host.h"

namespace procctl::node {
namespace {

class BrakesTest : public ::testing::Test {
 protected:
  static std::string Name(int i) { return "w" + std::to_string(i); }
  void RegisterMany(int count) {
    for (int i = 0; i < count; ++i) host_.Register(100 + i, Name(i), 5s);
  }
  void BeatFrom(int first, int last) {
    for (int i = first; i < last; ++i) host_.Beat(Name(i));
  }
  // Ends whoever was asked to.
  int Bury() {
    int buried = 0;
    for (int i = 0; i < 100; ++i) {
      if (host_.guarded(100 + i) == nullptr || host_.signals(100 + i).empty()) continue;
      host_.End(100 + i);
      ++buried;
    }
    return buried;
  }
  int signalled() {
    int count = 0;
    for (int i = 0; i < 100; ++i) count += host_.signals(100 + i).empty() ? 0 : 1;
    return count;
  }

  FakeHost host_;
};

TEST_F(BrakesTest, SixtyOfAHundredSilentTogetherAreTheHostNotThem) {
  RegisterMany(100);
  host_.Pass(5100ms, [&] { BeatFrom(60, 100); });
  host_.Pass(59800ms, [&] { BeatFrom(60, 100); });
  EXPECT_EQ(signalled(), 0);
  const v1::Event alarm = host_.The(v1::EVENT_KIND_BRAKE);
  EXPECT_EQ(alarm.severity(), v1::SEVERITY_ALARM);
  EXPECT_EQ(alarm.held_by(), v1::HELD_BY_COMMON_CAUSE);
  EXPECT_EQ(host_.Events(v1::EVENT_KIND_HELD).size(), 60u);
  // 55 recover; the five that do not are no common cause any more.
  host_.Pass(10s, [&] {
    BeatFrom(5, 100);
    Bury();
  });
  EXPECT_EQ(signalled(), 5);
  int recovered = 0;
  for (const v1::Event& event : host_.Events(v1::EVENT_KIND_VERDICT))
    recovered += event.verdict() == v1::VERDICT_RECOVERED ? 1 : 0;
  EXPECT_EQ(recovered, 55);
}

TEST_F(BrakesTest, WhileTheSilenceLastsOneDiesEachMinute) {
  RegisterMany(100);
  host_.Pass(5100ms);
  const auto silent = [&] {
    BeatFrom(90, 100);
    Bury();
  };
  host_.Pass(61s, silent);
  EXPECT_EQ(signalled(), 1);
  host_.Pass(60s, silent);
  EXPECT_EQ(signalled(), 2);
}

TEST_F(BrakesTest, OneByOneTheyAllDieAndNeverFasterThanTheBucket) {
  RegisterMany(100);
  int hung = 0;
  MonoTime began = host_.now;
  for (hung = 0; hung < 20; ++hung) {
    host_.Pass(300ms, [&] {
      BeatFrom(hung + 1, 100);
      Bury();
    });
  }
  host_.Pass(60s, [&] {
    BeatFrom(20, 100);
    Bury();
    const double minutes = std::chrono::duration<double>(host_.now - began).count() / 60;
    EXPECT_LE(signalled(), 10 + 30 * minutes);
  });
  EXPECT_EQ(signalled(), 20);
  EXPECT_FALSE(host_.Events(v1::EVENT_KIND_HELD).empty());
  EXPECT_TRUE(host_.Events(v1::EVENT_KIND_BRAKE).empty());
}

TEST_F(BrakesTest, AnOrderAsksNoBrake) {
  RegisterMany(100);
  host_.Pass(10s);
  EXPECT_EQ(signalled(), 0);
  host_.enforcer().Execute(host_.slot("w3"), host_.Order("k1"), 5s);
  EXPECT_EQ(signalled(), 1);
}

TEST_F(BrakesTest, OneProcessWithManyHeartsIsNoSickHost) {
  for (int i = 0; i < 10; ++i) host_.Register(100, Name(i), 5s);
  host_.Register(101, "other", 5s);
  host_.Pass(6s, [&] { host_.Beat("other"); });
  EXPECT_EQ(host_.signals(100).size(), 2u);
}

TEST_F(BrakesTest, AGuardianThatTakesOverFindsThePauseAndTheBucketAsTheyWere) {
  RegisterMany(100);
  host_.Pass(20s, [&] { BeatFrom(60, 100); });
  host_.Crash();
  host_.Pass(44s, [&] { BeatFrom(60, 100); });
  EXPECT_EQ(signalled(), 0);
  EXPECT_EQ(host_.Events(v1::EVENT_KIND_BRAKE).size(), 1u);
}

}  // namespace
}  // namespace procctl::node
