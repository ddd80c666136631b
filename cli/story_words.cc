#include "cli/story_words.h"

#include <algorithm>

#include "cli/cell.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

constexpr int64_t kNanosPerMilli = 1'000'000;
constexpr int64_t kShownExactly = 600'000;  // milliseconds

}  // namespace

std::string ExactText(nanoseconds duration) {
  const int64_t millis = duration.count() / kNanosPerMilli;
  if (millis < 100 || millis >= kShownExactly || millis % 1000 == 0) {
    return FormatDuration(duration);
  }
  std::string text = fmt::format("{}.{:03}", millis / 1000, millis % 1000);
  while (text.back() == '0') text.pop_back();
  return text + "s";
}

std::string Quote(std::string_view text) {
  std::string safe = Printable(text);
  std::replace(safe.begin(), safe.end(), '"', '\'');
  return "\"" + safe + "\"";
}

std::string BytesText(int64_t bytes) {
  constexpr std::string_view kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < std::size(kUnits)) {
    amount /= 1024;
    ++unit;
  }
  const std::string number = fmt::format("{:.1f}", amount);
  const bool whole = number.size() > 2 && number.compare(number.size() - 2, 2, ".0") == 0;
  return fmt::format("{} {}", whole ? number.substr(0, number.size() - 2) : number, kUnits[unit]);
}

std::string JoinWords(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += words[i];
  }
  return out;
}

std::string CountText(int64_t n, std::string_view one) {
  return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

std::string Who(const v1::Event& event) {
  const int pid = event.incarnation().pid();
  const std::string place = fmt::format("{}/{}", Cell(event.node()), Cell(event.slot()));
  return pid > 0 ? fmt::format("{} (pid {})", place, pid) : place;
}

nanoseconds Apart(const v1::Event& from, const v1::Event& to) {
  const bool one_boot =
      from.boot_id() == to.boot_id() && from.has_since_boot() && to.has_since_boot();
  if (!one_boot) return Between(from.at(), to.at());
  google::protobuf::Duration start = from.since_boot();
  start.set_seconds(-std::clamp<int64_t>(start.seconds(), -INT64_MAX, INT64_MAX));
  start.set_nanos(-std::clamp<int32_t>(start.nanos(), -INT32_MAX, INT32_MAX));
  return std::max(SafeSum(to.since_boot(), start), nanoseconds(0));
}

}  // namespace procctl::cli
