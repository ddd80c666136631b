// One condition that somebody should know of while it lasts: told at once, again every minute, and
// once more when it is over. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "controller/core/mono_time.h"

namespace procctl::controller {

class Alarm {
 public:
  static constexpr std::chrono::minutes kAgainAfter{1};

  // The condition holds, for the latest `reason`. True: tell it now.
  bool Raise(std::string reason, MonoTime now);

  struct Over {
    std::chrono::nanoseconds lasted{0};
    std::string reason;  // the latest
  };
  // The condition does not hold. What is to be told if it did before.
  std::optional<Over> Clear(MonoTime now);

  bool raised() const { return raised_; }
  const std::string& reason() const { return reason_; }

 private:
  bool raised_ = false;
  std::string reason_;
  MonoTime since_;
  MonoTime told_;
};

}  // namespace procctl::controller
