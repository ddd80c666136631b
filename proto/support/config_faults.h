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
  // The first of the file; of others only the number is told.
  static constexpr size_t kMostListed = 20;
  // A file with more is not read to its end: aliases can make a small file endless.
  static constexpr size_t kMostCounted = 1000;

  explicit ConfigFaults(std::string_view file) : file_(file) {}

  // "FILE:LINE: fact; hint".
  void AddAt(int line, std::string_view fact_and_hint);
  // "FILE:LINE: key: fact; hint" for a value that was read but cannot be used, or is missing: then
  // with the line of its section, or none. Passed over where something about the key, or about the
  // section it is in, was refused before: one fault is told once. Also where full(): the key may
  // stand where nobody read.
  void AddKey(const ConfigLines& lines, std::string_view key, std::string_view fact_and_hint);
  // What is said about `key` from here on follows from a fault that is told already.
  void Taint(std::string_view key) { tainted_.emplace(key); }

  // The value of `key` was refused, so that nothing may be measured by what stands in for it.
  bool Told(std::string_view key) const;

  bool empty() const { return count_ == 0; }
  // No use in looking further.
  bool full() const { return count_ > kMostCounted; }
  // OK if there are none; else INVALID_ARGUMENT, in the order of the file: the one fault, or a line
  // with their number, a line for each of the first kMostListed and "... and N more".
  absl::Status status() const;

 private:
  struct Fault {
    int line = 0;
    std::string text;
  };

  void Add(int line, std::string text);
  bool Tainted(std::string_view key) const;

  std::string file_;
  size_t count_ = 0;
  std::vector<Fault> first_;  // in the order of the file, at most kMostListed
  std::set<std::string, std::less<>> tainted_;
  std::set<std::string, std::less<>> told_;
};

}  // namespace procctl
