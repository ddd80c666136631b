#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <csignal>
#include <mutex>

namespace procctl::cli {
namespace {

TEST(Interrupt, TheFirstCtrlCRequestsAStopAndTheSecondIsLeftToTheSystem) {
  Interrupt interrupt;
  const std::stop_token token = interrupt.Arm();
  EXPECT_FALSE(token.stop_requested());
  ASSERT_EQ(std::raise(SIGINT), 0);
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, token, std::chrono::seconds(10), [] { return false; });
  EXPECT_TRUE(token.stop_requested());
  struct sigaction now {};
  ASSERT_EQ(sigaction(SIGINT, nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

TEST(Interrupt, LeavesNothingBehind) {
  { Interrupt().Arm(); }
  { const Interrupt never_armed; }
  struct sigaction now {};
  ASSERT_EQ(sigaction(SIGINT, nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace procctl::cli
