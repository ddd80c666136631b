// How a database becomes smaller, in pieces short enough to run between two commits. Each function
// does a piece within the caller's transaction and ends soon after `until`.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

using TrimUntil = std::chrono::steady_clock::time_point;

// What a pass over a table has done so far; handed from piece to piece.
struct TrimPass {
  // Rows up to here were looked at. Those that had to be kept are not looked at again.
  std::int64_t position = 0;
  std::int64_t dropped = 0;
  // Nothing is left to look at.
  bool done = false;
};

struct TrimLimit {
  // Only what was received before.
  std::int64_t before_ns = std::numeric_limits<std::int64_t>::max();
  // No more than it takes for so many bytes to be in use at most.
  std::int64_t enough_bytes = 0;
};

// Drops events, oldest position first, until the first that is younger than `limit` says. Those of
// an order stay as long as its request does: a repeated request id must find its answers.
absl::Status TrimEvents(const TrimLimit& limit, TrimUntil until, Database* database,
                        TrimPass* pass);

// Drops requests received before `before_ns` with their targets, but none whose order still runs.
absl::Status TrimRequests(std::int64_t before_ns, TrimUntil until, Database* database,
                          TrimPass* pass);

// Drops all but the newest `keep` epochs of `origin` from its cursors. What was dropped counts as
// committed as a whole (see WriterTables::CursorOf).
absl::Status TrimCursors(const std::string& origin, std::int64_t keep, TrimUntil until,
                         Database* database, TrimPass* pass);

struct DatabaseSize {
  std::int64_t page_bytes = 0;
  std::int64_t pages = 0;       // of the file
  std::int64_t free_pages = 0;  // of those, not in use
  std::int64_t UsedBytes() const { return (pages - free_pages) * page_bytes; }
};
absl::StatusOr<DatabaseSize> MeasureDatabase(Database* database);

// Gives free pages at the end of the file back to the file system until `leave` are left.
absl::Status GivePagesBack(std::int64_t leave, TrimUntil until, Database* database, TrimPass* pass);

}  // namespace procctl::controller
