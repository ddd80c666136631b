// The heart under which procctl-run has itself guarded, whether a guardian is there yet or not.
#pragma once

#include <chrono>
#include <string>

#include "procctl/heartbeat.h"

namespace procctl::run {

// Says on stderr, once each, that nobody guards and (after that) that somebody does; nothing if
// `quiet`. For one thread.
class GuardedHeart {
 public:
  using Clock = std::chrono::steady_clock;

  GuardedHeart(std::string name, std::chrono::milliseconds timeout, bool quiet)
      : name_(std::move(name)), timeout_(timeout), quiet_(quiet) {}
  ~GuardedHeart() { Close(); }
  GuardedHeart(const GuardedHeart&) = delete;
  GuardedHeart& operator=(const GuardedHeart&) = delete;

  // Opens the heart where that is due. Takes up to 2 s where a guardian is there and does not
  // answer, and then rests longer.
  void Tend(Clock::time_point now);
  // When Tend is due next.
  Clock::time_point next_tend() const { return next_tend_; }

  void Beat() { procctl_beat(&heart_); }
  // Kept, and set again on a heart that is opened later.
  void SetNote(const std::string& note);
  void SetReady();
  void Close();

 private:
  void Open();

  procctl_heart heart_ = PROCCTL_HEART_INIT;
  const std::string name_;
  const std::chrono::milliseconds timeout_;
  const bool quiet_;
  std::string note_;
  bool ready_ = false;
  bool said_unguarded_ = false;
  bool said_guarded_ = false;
  Clock::time_point next_tend_{};
};

}  // namespace procctl::run
