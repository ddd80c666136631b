// Must not compile under clang's thread-safety analysis: .ci/run checks that it does not, so that
// the analysis' silence about everything else means something. Belongs to no target.
#include "absl/synchronization/mutex.h"

class Counter {
 public:
  int Read() const { return value_; }  // without the lock

 private:
  mutable absl::Mutex mutex_;
  int value_ ABSL_GUARDED_BY(mutex_) = 0;
};

int main() { return Counter().Read(); }
