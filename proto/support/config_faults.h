// All that is wrong with one configuration file, so that it can be mended in one go.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace procctl {

// Where each key stood ("heartbeat.max_slots" -> 12), for refusals that come after parsing.
// Repeated fields are "protected.0", "protected.1" ...
using ConfigLines = std::map<std::string, int, std::less<>>;

class ConfigFaults {
 public:
  // More are counted as "more": a file that has so many is mended step by step.
  static constexpr size_t kMostListed = 20;

  explicit ConfigFaults(std::string_view file) : file_(file) {}

  // "FILE:LINE: fact; hint".
  void AddAt(int line, std::string_view fact_and_hint);
  // "FILE:LINE: key: fact; hint" for a value that was read but cannot be used, or is missing: then
  // with the line of its section, or none. Passed over where something about the key, or about the
  // section it is in, was refused before: one fault is told once.
  void AddKey(const ConfigLines& lines, std::string_view key, std::string_view fact_and_hint);
  // What is said about `key` from here on follows from a fault that is told already.
  void Taint(std::string_view key) { tainted_.emplace(key); }

  bool empty() const { return faults_.empty(); }
  // No use in looking further.
  bool full() const { return faults_.size() > kMostListed; }
  // OK if there are none; else INVALID_ARGUMENT, in the order of the file: the one fault, or a line
  // with their number and a line for each.
  absl::Status status() const;

 private:
  struct Fault {
    int line = 0;
    std::string text;
  };

  bool Tainted(std::string_view key) const;

  std::string file_;
  std::vector<Fault> faults_;
  std::set<std::string, std::less<>> tainted_;
};

}  // namespace procctl
