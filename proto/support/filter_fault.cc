#include "proto/support/filter_fault.h"

#include <algorithm>

#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

// Before and after the place; together they fit most terminals.
constexpr size_t kMostBefore = 60;
constexpr size_t kMostBehind = 40;
constexpr std::string_view kCut = "...";

std::string Shown(std::string_view bytes) {
  std::string shown;
  for (const char c : bytes) {
    if (c >= 0x20 && c < 0x7f) {
      shown += c;
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return shown;
}

}  // namespace

absl::Status FilterFault(std::string_view filter, size_t at, const std::string& sentence) {
  at = std::min(at, filter.size());
  const size_t begin = at > kMostBefore ? at - kMostBefore : 0;
  std::string before = Shown(filter.substr(begin, at - begin));
  if (begin > 0) before = std::string(kCut) + before;
  std::string behind = Shown(filter.substr(at, kMostBehind));
  if (filter.size() - at > kMostBehind) behind += kCut;
  return absl::InvalidArgumentError(fmt::format("filter, column {}: {}\n  {}{}\n  {:>{}}", at + 1,
                                                sentence, before, behind, '^', before.size() + 1));
}

}  // namespace procctl
