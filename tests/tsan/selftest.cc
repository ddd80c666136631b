// What the sanitizer may not object to, through every door of absl::Mutex that procctl uses. Fails
// in the tsan preset when absl_mutex.cc no longer stands in front of the library.
#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace {

TEST(AbslMutex, IsSeenByThreadSanitizer) {
  absl::Mutex mutex;
  absl::CondVar changed;
  int value = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      absl::MutexLock lock(&mutex);
      ++value;
      changed.Signal();
    }
  });
  {
    absl::MutexLock lock(&mutex);
    while (value < 10) changed.Wait(&mutex);
    mutex.AwaitWithTimeout(absl::Condition(
                               +[](int* v) { return *v >= 500; }, &value),
                           absl::Seconds(5));
    EXPECT_GE(value, 500);
  }
  {
    absl::ReaderMutexLock lock(&mutex);
    EXPECT_LE(value, 1000);
  }
  other.join();
}

}  // namespace
