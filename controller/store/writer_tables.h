// What the writer thread does to the tables, inside its transaction. Keeps cursors and session
// epochs in memory, so that a batch costs no lookups. Writer thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
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

  // 0: nothing of that epoch is committed.
  absl::StatusOr<std::int64_t> CursorOf(const std::string& origin, std::int64_t epoch);
  absl::Status SetCursor(const std::string& origin, const Cursor& cursor);
  absl::StatusOr<std::vector<Cursor>> NewestCursors(const std::string& origin, std::size_t most);

  absl::Status InsertEvent(const v1::Event& event, WallTime received_at,
                           std::optional<std::chrono::nanoseconds> skew);

  // False: a request of that id is there.
  absl::StatusOr<bool> InsertRequest(const OrderRequest& request, WallTime at);

  // After a rollback: what is in memory may never have been committed.
  void Forget();

 private:
  Database* database_;
  absl::flat_hash_map<std::string, std::int64_t> session_epochs_;
  absl::flat_hash_map<std::pair<std::string, std::int64_t>, std::int64_t> cursors_;
};

}  // namespace procctl::controller
