#include "controller/rpc/call_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace procctl::controller {
namespace {

constexpr int kMost = CallGuard::kMostUnfinished;

class CallGuardTest : public ::testing::Test {
 protected:
  // The first so many are not too many.
  void Begin(const std::string& peer, int count) {
    for (int i = 0; i < count; ++i) ASSERT_FALSE(guard_.Begun(peer)) << i;
  }
  MonoTime now_{std::chrono::seconds(1000)};
  std::vector<std::string> cut_;
  CallGuard guard_{[this](const std::string& peer) { cut_.push_back(peer); }};
};

TEST_F(CallGuardTest, WhoLetsNoCallEndHasTooMany) {
  Begin("a", kMost);
  EXPECT_TRUE(guard_.Begun("a"));
  EXPECT_TRUE(guard_.Begun("a"));
  Begin("b", kMost);
}

TEST_F(CallGuardTest, WhoseCallsEndMayBeginAnyNumber) {
  Begin("a", kMost);
  for (int i = 0; i < 10'000; ++i) {
    guard_.Ended("a");
    ASSERT_FALSE(guard_.Begun("a")) << i;
  }
  EXPECT_TRUE(guard_.Begun("a")) << "they were counted all along";
}

TEST_F(CallGuardTest, AConnectionWhoseCallsHaveAllEndedIsForgotten) {
  Begin("a", kMost);
  for (int i = 0; i < kMost; ++i) guard_.Ended("a");
  Begin("a", kMost);
}

TEST_F(CallGuardTest, AConnectionIsCutOnceUntilItsPortMayBeAnothers) {
  guard_.Cut("ipv4:127.0.0.1:1", now_);
  guard_.Cut("ipv4:127.0.0.1:1", now_ + CallGuard::kAfterglow);
  guard_.Cut("ipv4:127.0.0.1:2", now_);
  EXPECT_EQ(guard_.cut(), 2);
  EXPECT_EQ(cut_, (std::vector<std::string>{"ipv4:127.0.0.1:1", "ipv4:127.0.0.1:2"}));
  guard_.Cut("ipv4:127.0.0.1:1", now_ + CallGuard::kAfterglow + std::chrono::seconds(1));
  EXPECT_EQ(guard_.cut(), 3);
}

}  // namespace
}  // namespace procctl::controller
