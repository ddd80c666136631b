#include "cli/event_name.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "cli/cell.h"
#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

bool ParsePositive(std::string_view text, int64_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out > 0;
}

}  // namespace

std::string EventIdText(const v1::EventId& id) {
  if (id.origin().empty()) return "-";
  return fmt::format("{}:{}:{}", Cell(id.origin()), id.epoch(), id.seq());
}

bool LooksLikeEventId(std::string_view text) {
  return text.find('/') == std::string_view::npos && std::count(text.begin(), text.end(), ':') == 2;
}

absl::StatusOr<v1::EventId> ParseEventId(std::string_view text) {
  const size_t first = text.find(':');
  const size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  int64_t epoch = 0;
  int64_t seq = 0;
  if (second != std::string_view::npos) {
    std::string_view origin = text.substr(0, first);
    // A controller's own events begin with "@".
    if (!origin.empty() && origin.front() == '@') origin.remove_prefix(1);
    if (IsValidNodeId(origin) &&
        ParsePositive(text.substr(first + 1, second - first - 1), &epoch) &&
        ParsePositive(text.substr(second + 1), &seq)) {
      v1::EventId id;
      id.set_origin(std::string(text.substr(0, first)));
      id.set_epoch(epoch);
      id.set_seq(seq);
      return id;
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is not an event (NODE:EPOCH:SEQ); copy one from `procctl-cli events`",
                  Printable(text)));
}

}  // namespace procctl::cli
