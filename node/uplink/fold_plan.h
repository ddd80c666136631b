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

// How many of the oldest rows of an epoch are to become one record so that at least `excess` bytes
// go: its sizes are given oldest first until it has enough, or there are no more.
class FoldByBytes {
 public:
  // A record is never larger.
  static constexpr std::int64_t kRecordBytes = 512;

  explicit FoldByBytes(std::int64_t excess) : excess_(excess) {}

  // True: enough.
  bool Take(std::int64_t row_bytes);
  // 0: a record would be no smaller than what it stands for.
  std::int64_t rows() const { return bytes_ > kRecordBytes ? rows_ : 0; }

 private:
  std::int64_t excess_;
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace procctl::uplink
