// What the writer thread does to the tables, inside its transaction. Keeps cursors and session
// epochs in memory, so that a batch costs no lookups. Writer thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/core/mono_time.h"
#include "controller/core/order_request.h"
#include "controller/store/commit_log.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

class WriterTables {
 public:
  explicit WriterTables(Database* database) : database_(database) {}

  // 0: never claimed.
  absl::StatusOr<std::int64_t> SessionEpoch(const std::string& node);
  // The node is no longer forgotten.
  absl::Status SetSessionEpoch(const std::string& node, std::int64_t session_epoch);
  // False: it was never claimed.
  absl::StatusOr<bool> ForgetNode(const std::string& node);

  // 0: nothing of that epoch is committed. kAllCommitted: an epoch so old that its cursor may have
  // been dropped; a node never begins one that is older than its newest kMostCursors.
  static constexpr std::int64_t kAllCommitted = std::numeric_limits<std::int64_t>::max();
  absl::StatusOr<std::int64_t> CursorOf(const std::string& origin, std::int64_t epoch);
  absl::Status SetCursor(const std::string& origin, const Cursor& cursor);
  absl::StatusOr<std::vector<Cursor>> NewestCursors(const std::string& origin, std::size_t most);

  absl::Status InsertEvent(const v1::Event& event, WallTime received_at,
                           std::optional<std::chrono::nanoseconds> skew);
  // Where the event that was inserted last stands; asked right after.
  std::int64_t LastPosition() const { return sqlite3_last_insert_rowid(database_->handle()); }

  // False: a request of that id is there.
  absl::StatusOr<bool> InsertRequest(const OrderRequest& request, WallTime at);

  absl::Status SetSent(const std::string& request_id, const std::vector<size_t>& targets,
                       bool sent);
  absl::Status SetOrderState(const std::string& request_id, v1::OrderState state,
                             const std::string& message);

  Database* database() { return database_; }

  // After a rollback: what is in memory may never have been committed.
  void Forget();

 private:
  // What is committed of an epoch that has no cursor.
  absl::StatusOr<std::int64_t> FloorOf(const std::string& origin, std::int64_t epoch);

  Database* database_;
  sqlite3_stmt* insert_event_ = nullptr;
  sqlite3_stmt* set_cursor_ = nullptr;
  // The latest event as bytes; kept for its memory.
  std::string body_;
  absl::flat_hash_map<std::string, std::int64_t> session_epochs_;
  absl::flat_hash_map<std::pair<std::string, std::int64_t>, std::int64_t> cursors_;
};

}  // namespace procctl::controller
