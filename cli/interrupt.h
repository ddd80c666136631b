// Ctrl-C as a stop token.
#pragma once

#include <chrono>
#include <stop_token>
#include <thread>

#include "proto/support/unique_fd.h"

namespace procctl::cli {

// At most one at a time. Used by one thread.
class Interrupt {
 public:
  Interrupt() = default;
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // From now on the first SIGINT requests a stop of the token, and the second ends the program;
  // before, every one ends it. Called once.
  std::stop_token Arm();

 private:
  std::stop_source source_;
  UniqueFd read_end_;
  UniqueFd write_end_;
  std::thread thread_;
};

// Waits so long. False when `stop` came first.
bool Pause(std::chrono::nanoseconds duration, std::stop_token stop);

}  // namespace procctl::cli
