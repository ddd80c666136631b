// How people name one event: ORIGIN:EPOCH:SEQ, as `events` shows it and `why` takes it back.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "procctl/v1/event.pb.h"

namespace procctl::cli {

// "web-01:1795348800000:17". "-" for an event without an id.
std::string EventIdText(const v1::EventId& id);

// True for text that can only mean an event: two colons and no slash. NODE/SLOT has a slash,
// NODE:PID one colon.
bool LooksLikeEventId(std::string_view text);

// INVALID_ARGUMENT says what would be right.
absl::StatusOr<v1::EventId> ParseEventId(std::string_view text);

}  // namespace procctl::cli
