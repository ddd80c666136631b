// Losses to be told: summed up, and for each program at most once in a second.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/core/mono_time.h"

namespace procctl::logger {

class LostTally {
 public:
  static constexpr node::Nanos kEvery = std::chrono::seconds(1);

  struct Report {
    std::string label;
    int64_t bytes = 0;
    std::string why;
  };

  // `why`: the last one is told.
  void Add(const std::string& label, int64_t bytes, const std::string& why);
  std::vector<Report> TakeDue(node::MonoTime now);
  // When there will be something to take; none: nothing is lost.
  std::optional<node::MonoTime> due_at() const;

 private:
  struct Sum {
    int64_t bytes = 0;
    std::string why;
    node::MonoTime not_before;
  };
  // Those that have told all they had to are forgotten when their second is over.
  std::map<std::string, Sum> sums_;
};

}  // namespace procctl::logger
