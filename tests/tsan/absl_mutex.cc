// Makes absl::Mutex visible to ThreadSanitizer.
//
// Debian's Abseil is compiled without the sanitizer, so it sees a lock neither taken nor given and
// calls everything that a Mutex guards a race. These definitions stand in front of the library's
// own (the executable's symbols come first), call them, and tell the sanitizer what a Mutex means.
// Linked into every test of the tsan preset that has a mutex. Itself compiled without the
// sanitizer: what it puts on a waiter's stack is read by other threads under a lock of the library
// that nobody can see.
#include <dlfcn.h>

#include "absl/synchronization/mutex.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace {

// A condition is looked at while its mutex is held, but inside the library, by whichever thread
// gives the mutex back: the sanitizer has to be told there too.
struct SeenCondition {
  absl::Mutex* mutex;
  const absl::Condition* condition;

  static bool Eval(SeenCondition* seen) {
    __tsan_acquire(seen->mutex);
    const bool held = seen->condition->Eval();
    __tsan_release(seen->mutex);
    return held;
  }
};

// The library's own function.
template <typename Function>
Function Real(const char* mangled) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, mangled));
}

}  // namespace

// "absl::debian3::" as it is mangled; a crash on a null pointer here means that Debian's Abseil has
// moved on.
#define REAL(function, type, name) static const auto function = Real<type>("_ZN4absl7debian3" name);

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  REAL(real, void (*)(Mutex*), "5Mutex4LockEv")
  real(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  REAL(real, void (*)(Mutex*), "5Mutex6UnlockEv")
  __tsan_release(this);
  real(this);
}

bool Mutex::TryLock() {
  REAL(real, bool (*)(Mutex*), "5Mutex7TryLockEv")
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  REAL(real, void (*)(Mutex*), "5Mutex10ReaderLockEv")
  real(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  REAL(real, void (*)(Mutex*), "5Mutex12ReaderUnlockEv")
  __tsan_release(this);
  real(this);
}

void Mutex::LockWhen(const Condition& condition) {
  REAL(real, void (*)(Mutex*, const Condition&), "5Mutex8LockWhenERKNS0_9ConditionE")
  // The condition was made before; whoever evaluates it acquires.
  __tsan_release(this);
  SeenCondition seen{this, &condition};
  real(this, Condition(&SeenCondition::Eval, &seen));
  __tsan_acquire(this);
}

void Mutex::Await(const Condition& condition) {
  REAL(real, void (*)(Mutex*, const Condition&), "5Mutex5AwaitERKNS0_9ConditionE")
  __tsan_release(this);
  SeenCondition seen{this, &condition};
  real(this, Condition(&SeenCondition::Eval, &seen));
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  REAL(real, bool (*)(Mutex*, const Condition&, Duration),
       "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE")
  __tsan_release(this);
  SeenCondition seen{this, &condition};
  const bool held = real(this, Condition(&SeenCondition::Eval, &seen), timeout);
  __tsan_acquire(this);
  return held;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  REAL(real, bool (*)(Mutex*, const Condition&, Time),
       "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE")
  __tsan_release(this);
  SeenCondition seen{this, &condition};
  const bool held = real(this, Condition(&SeenCondition::Eval, &seen), deadline);
  __tsan_acquire(this);
  return held;
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  REAL(real, bool (*)(Mutex*, const Condition&, Duration),
       "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE")
  // The condition was made before; whoever evaluates it acquires.
  __tsan_release(this);
  SeenCondition seen{this, &condition};
  const bool held = real(this, Condition(&SeenCondition::Eval, &seen), timeout);
  __tsan_acquire(this);
  return held;
}

void CondVar::Wait(Mutex* mutex) {
  REAL(real, void (*)(CondVar*, Mutex*), "7CondVar4WaitEPNS0_5MutexE")
  __tsan_release(mutex);
  real(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  REAL(real, bool (*)(CondVar*, Mutex*, Duration),
       "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE")
  __tsan_release(mutex);
  const bool timed_out = real(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  REAL(real, bool (*)(CondVar*, Mutex*, Time), "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE")
  __tsan_release(mutex);
  const bool timed_out = real(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl
