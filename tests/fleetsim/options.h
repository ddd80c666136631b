// The command line of fleetsim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/fleetsim/relay.h"

namespace procctl::fleetsim {

struct Partition {
  double at_s = 0;  // since all were connected for the first time
  double for_s = 0;
  // Of the plain nodes.
  double share = 0;
  Relay::Mode mode = Relay::Mode::kDrop;
};

struct Options {
  std::string controller;
  std::string dir;
  std::string server_name;  // empty: the host of controller
  std::string prefix = "sim";
  int nodes = 100;
  int slots = 100;
  int programs = 0;
  double churn = 0;
  double events = 0;
  int burst = 1;
  int event_bytes = 0;
  int events_kept = 2000;
  double duration_s = 0;  // 0: until it is told to end
  double spread_s = -1;   // below 0: 150 nodes a second
  bool kill_latency = false;
  int slow = 0;
  int stopped = 0;
  int hostile = 0;
  std::optional<Partition> partition;
  std::string journal;
  bool json = false;
  int threads = 2;
  int nice = 0;
  int connecting = 32;
  std::int64_t seed = 1;
  bool only_certificates = false;
};

// True: go on. False: exit with *exit_code (help, or a usage error that was written to stderr).
bool ParseOptions(int argc, const char* const* argv, Options* options, int* exit_code);

// "AT,FOR,SHARE[,MODE]"; empty with *error set if it is not.
std::optional<Partition> ParsePartition(const std::string& text, std::string* error);

}  // namespace procctl::fleetsim
