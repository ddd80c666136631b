#include "node/uplink/fold_plan.h"

#include <algorithm>

namespace procctl::uplink {

std::vector<Fold> PlanFolds(const std::map<std::int64_t, std::int64_t>& rows_by_epoch,
                            std::int64_t limit) {
  std::int64_t excess = -limit;
  for (const auto& [epoch, rows] : rows_by_epoch) excess += rows;
  std::vector<Fold> folds;
  for (const auto& [epoch, rows] : rows_by_epoch) {
    if (excess <= 0) break;
    // Folding n rows frees n - 1: the record takes one.
    const std::int64_t fold = std::min(rows, excess + 1);
    if (fold < 2) continue;
    folds.push_back({epoch, fold});
    excess -= fold - 1;
  }
  return folds;
}

bool FoldByBytes::Take(std::int64_t row_bytes) {
  ++rows_;
  bytes_ += row_bytes;
  return bytes_ >= excess_ + kRecordBytes;
}

}  // namespace procctl::uplink
