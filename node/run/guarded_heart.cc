#include "node/run/guarded_heart.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace procctl::run {
namespace {

constexpr std::chrono::seconds kBetweenTries{5};
// Opening held us up for 2 s then; signals that are to be passed on waited as long.
constexpr std::chrono::seconds kAfterTimeout{30};
constexpr std::chrono::seconds kBetweenLooks{1};

}  // namespace

void GuardedHeart::Tend(Clock::time_point now) {
  if (now < next_tend_) return;
  next_tend_ = now + kBetweenLooks;
#ifdef PROCCTL_RUN_HAS_TEND
  (void)procctl_tend(&heart_);  // Whether it is guarded still is asked right below.
#endif
  if (!procctl_is_guarded(&heart_)) Open();
}

void GuardedHeart::Open() {
  const int error = procctl_open(&heart_, name_.c_str(), static_cast<uint32_t>(timeout_.count()));
  if (error == 0) {
    procctl_note(&heart_, note_.c_str());
    if (ready_) SetReady();
    if (said_unguarded_ && !said_guarded_ && !quiet_)
      std::fprintf(stderr, "procctl-run: guarded as \"%s\" now\n", name_.c_str());
    said_guarded_ = true;
    return;
  }
  next_tend_ = Clock::now() + (error == -ETIMEDOUT ? kAfterTimeout : kBetweenTries);
  if (!said_unguarded_ && !quiet_) {
    const char* said = procctl_open_error();
    std::fprintf(stderr, "procctl-run: not guarded yet: %s%s%s; running it, trying again\n",
                 std::strerror(-error), *said != '\0' ? ": " : "", said);
  }
  said_unguarded_ = true;
}

void GuardedHeart::SetNote(const std::string& note) {
  if (note == note_) return;
  note_ = note;
  procctl_note(&heart_, note_.c_str());
}

void GuardedHeart::SetReady() {
  ready_ = true;
#ifdef PROCCTL_RUN_HAS_READY
  procctl_ready(&heart_);
#endif
}

void GuardedHeart::Close() { procctl_close(&heart_); }

}  // namespace procctl::run
