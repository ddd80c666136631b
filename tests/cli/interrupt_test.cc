#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace procctl::cli {
namespace {

TEST(Interrupt, TheFirstCtrlCRequestsAStopAndTheSecondIsLeftToTheSystem) {
  Interrupt interrupt;
  const std::stop_token token = interrupt.Arm();
  EXPECT_FALSE(token.stop_requested());
  ASSERT_EQ(std::raise(SIGINT), 0);
  absl::Notification stopped;
  const std::stop_callback on_stop(token, [&] { stopped.Notify(); });
  EXPECT_TRUE(stopped.WaitForNotificationWithTimeout(absl::Seconds(10)));
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
