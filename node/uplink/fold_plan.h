// Which of the oldest events give way when the spool is full. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace procctl::uplink {

// The `rows` oldest rows of `epoch` are to become one EVENTS_LOST record.
struct Fold {
  std::int64_t epoch = 0;
  std::int64_t rows = 0;
  bool operator==(const Fold&) const = default;
};

// `rows_by_epoch`: how many rows the spool holds of each epoch. After the folds at most `limit`
// rows are left, or one row per epoch where that is more: a fold never joins epochs and nothing
// goes without a record. Oldest epochs give way first. `limit` is at least 1.
std::vector<Fold> PlanFolds(const std::map<std::int64_t, std::int64_t>& rows_by_epoch,
                            std::int64_t limit);

}  // namespace procctl::uplink
