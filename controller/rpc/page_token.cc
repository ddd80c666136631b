#include "controller/rpc/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// No key holds it: names and labels have their control characters escaped where they come in.
constexpr char kSeparator = '\x1f';

}  // namespace

std::string MakePageToken(std::string_view list, std::uint64_t filter,
                          const std::vector<std::string>& keys) {
  std::string plain = fmt::format("{}{}{:x}", list, kSeparator, filter);
  for (const std::string& key : keys) plain += kSeparator + key;
  return absl::WebSafeBase64Escape(plain);
}

absl::StatusOr<std::vector<std::string>> ReadPageToken(std::string_view token,
                                                       std::string_view list, std::uint64_t filter,
                                                       size_t keys) {
  std::string plain;
  const bool decoded =
      absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &plain);
  std::vector<std::string> parts = absl::StrSplit(plain, kSeparator);
  if (!decoded || parts.size() != keys + 2 || parts[0] != list) {
    return absl::InvalidArgumentError(
        "page_token is none of this list's; take it from next_page_token, or leave it out to start "
        "again");
  }
  if (parts[1] != fmt::format("{:x}", filter)) {
    return absl::InvalidArgumentError(
        "page_token belongs to another filter; repeat the filter, or leave the token out to start "
        "again");
  }
  parts.erase(parts.begin(), parts.begin() + 2);
  return parts;
}

absl::StatusOr<int> PageSize(int wanted, int standard, int most) {
  if (wanted < 0) {
    return absl::InvalidArgumentError(
        fmt::format("page_size {}; use 1 to {}, or 0 for {}", wanted, most, standard));
  }
  return wanted == 0 ? standard : std::min(wanted, most);
}

}  // namespace procctl::controller
