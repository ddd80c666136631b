// An event filter as SQL, so that SQLite's indexes and not our loop do the looking.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "proto/support/filter.h"

namespace procctl::controller {

struct Condition {
  std::string sql;  // "1" for everything; starts with no AND
  std::vector<std::variant<std::int64_t, std::string>> parameters;
};

// Over the columns of table events. Means exactly what Filter::Matches means for the same event.
Condition EventCondition(const Filter& filter);

}  // namespace procctl::controller
