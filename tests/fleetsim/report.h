// What a simulated fleet tells while it runs and at its end: text for people, lines of JSON for
// programs. Standard output.
#pragma once

#include <cstdint>

#include "tests/fleetsim/stats.h"

namespace procctl::fleetsim {

class Report {
 public:
  Report(bool json, std::size_t nodes, std::int64_t start_ns)
      : json_(json), nodes_(nodes), start_ns_(start_ns), last_ns_(start_ns) {}

  // Once a second or so: what has happened since the last time, and storms that are over.
  void Second(Stats* stats, std::int64_t now_ns);
  void End(Stats* stats, std::int64_t now_ns);

 private:
  void Tell(const Storm& storm) const;

  const bool json_;
  const std::size_t nodes_;
  const std::int64_t start_ns_;
  std::int64_t last_ns_;
  std::int64_t last_acked_ = 0;
  std::int64_t last_sent_ = 0;
  std::int64_t last_in_ = 0;
  std::int64_t last_out_ = 0;
};

}  // namespace procctl::fleetsim
