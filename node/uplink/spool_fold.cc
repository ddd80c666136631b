// SpoolDb: how the oldest events give way, by count and by bytes.
#include <algorithm>
#include <chrono>

#include "node/uplink/fold_plan.h"
#include "node/uplink/spool_db.h"
#include "proto/support/size_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {

absl::Status SpoolDb::LoadBytes() {
  const absl::StatusOr<std::int64_t> bytes = GetMeta("bytes");
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<std::int64_t> rows_then = GetMeta("bytes_rows");
  if (!rows_then.ok()) return rows_then.status();
  bytes_ = *bytes;
  if (*rows_then == rows()) return absl::OkStatus();
  // An uplink that did not count bytes has written to it.
  absl::StatusOr<Statement> sum =
      Statement::Prepare(db_.get(), "SELECT sum(length(body)) FROM events");
  if (!sum.ok()) return sum.status();
  const absl::StatusOr<bool> row = sum->Step();
  if (!row.ok()) return row.status();
  bytes_ = *row ? sum->Int(0) : 0;
  return absl::OkStatus();
}

absl::Status SpoolDb::WriteBytes() {
  if (absl::Status status = SetMeta("bytes", bytes_); !status.ok()) return status;
  return SetMeta("bytes_rows", rows());
}

absl::Status SpoolDb::FoldOldest(std::vector<v1::Event>* folded) {
  for (const Fold& fold : PlanFolds(rows_by_epoch_, options_.max_events)) {
    absl::StatusOr<v1::Event> record =
        FoldOne(fold.epoch, fold.rows, fmt::format("{} events", options_.max_events));
    if (!record.ok()) return record.status();
    folded->push_back(*std::move(record));
  }
  if (options_.max_bytes == 0) return absl::OkStatus();
  std::vector<std::int64_t> epochs;
  for (const auto& [epoch, rows] : rows_by_epoch_) epochs.push_back(epoch);
  for (const std::int64_t epoch : epochs) {
    if (bytes_ <= options_.max_bytes) break;
    const absl::StatusOr<std::int64_t> rows = RowsToFold(epoch, bytes_ - options_.max_bytes);
    if (!rows.ok()) return rows.status();
    if (*rows == 0) continue;
    absl::StatusOr<v1::Event> record = FoldOne(epoch, *rows, FormatSize(options_.max_bytes));
    if (!record.ok()) return record.status();
    folded->push_back(*std::move(record));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SpoolDb::RowsToFold(std::int64_t epoch, std::int64_t excess) {
  Statement& sizes = *sql_->sizes;
  sizes.Bind(1, epoch);
  FoldByBytes fold(excess);
  for (;;) {
    const absl::StatusOr<bool> row = sizes.Step();
    if (!row.ok()) return row.status();
    if (!*row || fold.Take(sizes.Int(0))) break;
  }
  sizes.Reset();
  return fold.rows();
}

absl::StatusOr<v1::Event> SpoolDb::FoldOne(std::int64_t epoch, std::int64_t rows,
                                           std::string_view bound) {
  Statement& nth = *sql_->nth_event;
  const absl::StatusOr<std::int64_t> first = FirstHeld(epoch);
  if (!first.ok()) return first.status();
  const absl::StatusOr<bool> row = nth.Bind(1, epoch).Bind(2, rows - 1).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError("spool: fewer events than were counted");
  const std::int64_t last = nth.Int(0);
  nth.Reset();

  v1::Event record = MakeLost(
      options_.origin, epoch, *first, last,
      fmt::format("the spool's bound of {} was reached while no controller took them", bound),
      std::chrono::system_clock::now());
  // The last of them goes too, so an epoch may be empty for the moment.
  const std::int64_t newest = held_[epoch].last;
  if (absl::Status status = Delete({epoch, last}); !status.ok()) return status;
  const SpooledEvent spooled{{epoch, last}, record.SerializeAsString(), "", *first};
  if (absl::Status status = Insert(spooled); !status.ok()) return status;
  held_[epoch] = {*first, newest};
  return record;
}

}  // namespace procctl::uplink
