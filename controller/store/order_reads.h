// What is recorded of requests and orders, read from the tables. Blocks on the disk; any thread
// with a connection of its own, inside a transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/store/history.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

absl::StatusOr<std::optional<RecordedRequest>> ReadRequest(const std::string& id,
                                                           Database* database);

absl::StatusOr<std::vector<RecordedRequest>> ReadOpenOrders(Database* database);

absl::StatusOr<OrderPage> ReadOrderPage(const OrderQuery& query, Database* database);

}  // namespace procctl::controller
