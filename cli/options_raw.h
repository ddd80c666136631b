// What CLI11 fills in: text, checked afterwards. For options.cc and program_options.cc alone.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace procctl::cli {

struct Raw {
  Options options;
  std::string output = "table";
  std::string timeout;
  std::string what = "slots";
  std::string node, name, state, slot, kind, program, filter;
  std::vector<std::string> labels;
  std::vector<std::string> terms;  // of a filter, without an option before them
  std::string grace;
  std::string since;
  std::string hold_for;
  std::string wait_timeout;
  std::string max_unavailable;
  std::string pause;
  std::string recovery_limit;
  int newest = -1;
  bool all = false;
  bool no_wait = false;
  std::string topic;
};

}  // namespace procctl::cli
