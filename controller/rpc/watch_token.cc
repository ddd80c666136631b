#include "controller/rpc/watch_token.h"

#include <charconv>
#include <optional>
#include <vector>

#include "controller/rpc/page_token.h"

namespace procctl::controller {
namespace {

constexpr std::string_view kSlots = "watch-slots";
constexpr std::string_view kEvents = "watch-events";

absl::Status NoToken() {
  return absl::InvalidArgumentError(
      "resume_token is none of a watch of this kind and filter; take it from a bookmark of the "
      "same watch, or leave it out to begin anew");
}

std::optional<std::int64_t> Number(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || read != end || number < 0) return std::nullopt;
  return number;
}

}  // namespace

std::string MakeSlotsToken(std::uint64_t filter, const SlotsToken& token) {
  return MakePageToken(kSlots, filter,
                       {token.life, std::to_string(token.feed), std::to_string(token.sequence)});
}

std::string MakeEventsToken(std::uint64_t filter, std::int64_t position) {
  return MakePageToken(kEvents, filter, {std::to_string(position)});
}

absl::StatusOr<SlotsToken> ReadSlotsToken(std::string_view text, std::uint64_t filter) {
  const auto keys = ReadPageToken(text, kSlots, filter, 3);
  if (!keys.ok()) return NoToken();
  const auto feed = Number((*keys)[1]);
  const auto sequence = Number((*keys)[2]);
  if (!feed || !sequence) return NoToken();
  return SlotsToken{(*keys)[0], *feed, *sequence};
}

absl::StatusOr<std::int64_t> ReadEventsToken(std::string_view text, std::uint64_t filter) {
  const auto keys = ReadPageToken(text, kEvents, filter, 1);
  if (!keys.ok()) return NoToken();
  const auto position = Number(keys->front());
  if (!position) return NoToken();
  return *position;
}

}  // namespace procctl::controller
