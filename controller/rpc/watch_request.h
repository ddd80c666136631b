// What a Watch asks for, read and checked.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "controller/rpc/watch_feed.h"
#include "controller/rpc/watch_token.h"
#include "proto/support/filter.h"

namespace procctl::controller {

struct WatchOrder {
  WatchFeed::Kind kind = WatchFeed::Kind::kSlots;
  std::string filter_text;
  Filter filter;
  // Where it goes on: one of them, or neither.
  std::optional<SlotsToken> slots;
  std::optional<std::int64_t> after_position;
  int newest = 0;  // of events
};

// INVALID_ARGUMENT says which part is wrong, and what would be right.
absl::StatusOr<WatchOrder> ReadWatchRequest(const grpc::ByteBuffer& request);

}  // namespace procctl::controller
