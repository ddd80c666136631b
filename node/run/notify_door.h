// What the program says on its sd_notify socket, turned into beats of the heart.
//
//   READY=1              the start is over
//   WATCHDOG=1           a beat
//   WATCHDOG=trigger     the program gives itself up
//   WATCHDOG_USEC=       a shorter timeout, never a longer one
//   EXTEND_TIMEOUT_USEC= more time for the start; later: long work, until the next WATCHDOG=1
//   STATUS=, ERRNO=      the slot's note
//   RELOADING, STOPPING  its phase
//   MAINPID=             whose word counts, if that process descends from us
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "node/notify/message.h"
#include "node/notify/receiver.h"
#include "node/run/guarded_heart.h"
#include "node/run/options.h"

namespace procctl::run {

class NotifyDoor {
 public:
  // What is left to do for whoever started the program.
  struct Heard {
    bool ready = false;
    std::optional<std::chrono::milliseconds> more_start_time;
  };

  NotifyDoor(NotifyAccess access, std::chrono::milliseconds timeout, GuardedHeart* heart)
      : access_(access), timeout_(timeout), heart_(heart) {}

  // Before the program is started. Empty, or what failed and what to do.
  std::string Open();
  // For the program's environment; it also gets its own pid as kPidVariable: a child that inherits
  // all this then knows that it is not meant.
  std::vector<std::string> variables() const;
  static constexpr char kPidVariable[] = "WATCHDOG_PID";

  // Readable when the program says something; -1 while it is not open.
  int fd() const { return receiver_.fd(); }
  // Takes what waits, but not for ever: a flood must not keep the caller from its other duties.
  Heard TakeAll(pid_t program);

 private:
  bool MaySpeak(const ucred& sender, pid_t program) const;
  void Heed(const notify::Message& message, Heard* heard);
  // Once each on stderr: whatever is wrong goes on being wrong.
  void Complain(bool* said, const std::string& what);

  const NotifyAccess access_;
  const std::chrono::milliseconds timeout_;
  GuardedHeart* heart_;
  notify::Receiver receiver_;
  pid_t main_pid_ = 0;  // as named by the program; 0: the program itself
  bool ready_ = false;
  bool said_garbage_ = false;
  bool said_stranger_ = false;
  bool said_main_ = false;
  bool said_longer_ = false;
};

}  // namespace procctl::run
