#include <gtest/gtest.h>

#include "absl/synchronization/mutex.h"

int main(int argc, char** argv) {
  // gRPC's own locks set Debian's deadlock detector off.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
