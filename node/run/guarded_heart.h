// The heart under which procctl-run has itself guarded, whether a guardian is there yet or not.
#pragma once

#include <chrono>
#include <string>

#include "procctl/heartbeat.h"

namespace procctl::run {

// Says on stderr that nobody guards and (after that) that somebody does, unless it was said before;
// nothing if `quiet`. For one thread.
class GuardedHeart {
 public:
  using Clock = std::chrono::steady_clock;

  // What was said already, by this heart or by those of earlier runs.
  struct Said {
    bool unguarded = false;
    bool guarded = false;
  };

  struct Asks {
    // Empty: nothing is asked for, and nobody guards.
    std::string name;
    std::chrono::milliseconds timeout{0};
    // The guardian is told, so that it shows the slot as starting until SetReady.
    std::chrono::milliseconds start_grace{0};
    bool quiet = false;
  };

  GuardedHeart(Asks asks, Said* said) : asks_(std::move(asks)), said_(said) {}
  ~GuardedHeart() { Close(); }
  GuardedHeart(const GuardedHeart&) = delete;
  GuardedHeart& operator=(const GuardedHeart&) = delete;

  // Opens the heart the first time; then looks, where that is due, for a guardian that came later
  // or in the place of another. The first time takes up to 2 s where a guardian does not answer.
  void Tend(Clock::time_point now);
  // When Tend is due next.
  Clock::time_point next_tend() const { return next_tend_; }

  void Beat() { procctl_beat(&heart_); }
  // Kept, and set again on a heart that is opened later.
  void SetNote(const std::string& note);
  // Kept as well.
  void SetPhase(const std::string& phase);
  void SetReady();
  // Long work that was announced, and its end.
  void Busy(std::chrono::milliseconds limit);
  void BusyDone();
  void Failed(const std::string& reason);
  // Registers anew where it differs from the one in force.
  void SetTimeout(std::chrono::milliseconds timeout);
  void Close();

 private:
  // 0 or a negative errno value.
  int Open();
  void Report(int error);

  Asks asks_;
  Said* said_;
  procctl_heart heart_ = PROCCTL_HEART_INIT;
  bool asked_ = false;
  std::string note_;
  std::string phase_;
  bool ready_ = false;
  Clock::time_point next_tend_{};
};

}  // namespace procctl::run
