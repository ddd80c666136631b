// Waiting for what must come: by condition, with a deadline, never by a sleep that hopes.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

namespace procctl::e2e {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// What the harness throws when the world is not as a test needs it; GoogleTest turns it into a
// failure and destructors clean up on the way.
class HarnessError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// CLOCK_BOOTTIME, the clock that Event.since_boot is written in.
std::chrono::nanoseconds SinceBoot();

// Polls `holds` every few milliseconds until it is true (then returns true) or `limit` has passed.
bool Eventually(std::chrono::milliseconds limit, const std::function<bool()>& holds);

// The same, but throws "`what` did not happen within ..." when it does not. `detail` is added to
// it.
void Await(std::chrono::milliseconds limit, const std::string& what,
           const std::function<bool()>& holds,
           const std::function<std::string()>& detail = nullptr);

// For "nothing happens during": true if `holds` was true at every look until `period` had passed.
bool Throughout(std::chrono::milliseconds period, const std::function<bool()>& holds);

}  // namespace procctl::e2e
