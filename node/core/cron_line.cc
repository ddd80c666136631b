#include "node/core/cron_line.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr size_t kLongest = 1000;

struct Field {
  std::string_view name;
  int least;
  int most;
  std::string_view example;
  // Of the values from `least` on.
  std::array<std::string_view, 12> names = {};
};

constexpr Field kMinute = {"minute", 0, 59, "0, 0,30 or */15"};
constexpr Field kHour = {"hour", 0, 23, "3, 8-18 or */6"};
constexpr Field kDay = {"day", 1, 31, "1, 1,15 or 1-7"};
constexpr Field kMonth = {
    "month",
    1,
    12,
    "*, 1-3 or jan,jul",
    {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}};
constexpr Field kWeekday = {
    "weekday", 0, 7, "*, 1-5 or mon,fri", {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}};

constexpr uint64_t Bits(int least, int most) {
  return ((uint64_t{2} << most) - 1) & ~((uint64_t{1} << least) - 1);
}

constexpr bool Has(uint64_t set, int value) { return (set >> value & 1) != 0; }

// The least value of the set from `from` on; 64: none.
int LeastFrom(uint64_t set, int from) { return std::countr_zero(set >> from << from); }

absl::Status Wrong(const Field& field, std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{} \"{}\" {}; right is for example {}", field.name,
                                                Escape(text), why, field.example));
}

std::optional<int> Number(std::string_view text) {
  int number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || text.front() == '-' || error != std::errc() || rest != end) {
    return std::nullopt;
  }
  return number;
}

std::optional<int> Named(const Field& field, std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (size_t i = 0; i < field.names.size(); ++i) {
    if (!lower.empty() && field.names.at(i) == lower) return field.least + static_cast<int>(i);
  }
  return std::nullopt;
}

// `item`: what it is part of, to show.
absl::StatusOr<int> Value(const Field& field, std::string_view text, std::string_view item) {
  if (const std::optional<int> named = Named(field, text)) return *named;
  const std::optional<int> number = Number(text);
  if (!number) {
    return Wrong(field, item, field.names[0].empty() ? "is no number" : "is no number and no name");
  }
  if (*number < field.least || *number > field.most) {
    return Wrong(field, item, fmt::format("is not within {} to {}", field.least, field.most));
  }
  return *number;
}

// "*", a value or a range, each perhaps with a step.
absl::StatusOr<uint64_t> Item(const Field& field, std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  int first = field.least;
  // The weekday 7 is a second name, not an eighth day: steps must not count it.
  int last = field.most == 7 ? 6 : field.most;
  const size_t dash = range.find('-');
  if (range != "*") {
    absl::StatusOr<int> low = Value(field, range.substr(0, dash), text);
    if (!low.ok()) return low.status();
    first = last = *low;
    if (dash != std::string_view::npos) {
      absl::StatusOr<int> high = Value(field, range.substr(dash + 1), text);
      if (!high.ok()) return high.status();
      last = field.most == 7 && *high == 0 && first > 0 ? 7 : *high;
      if (last < first) return Wrong(field, text, "runs backwards");
    }
  }
  int step = 1;
  if (slash != std::string_view::npos) {
    if (range != "*" && dash == std::string_view::npos) {
      return Wrong(field, text, "has a step without a range before it");
    }
    const std::optional<int> number = Number(text.substr(slash + 1));
    const int most = field.most - field.least;
    if (!number || *number < 1 || *number > most) {
      return Wrong(field, text, fmt::format("has a step that is not within 1 to {}", most));
    }
    step = *number;
  }
  uint64_t set = 0;
  for (int value = first; value <= last; value += step) set |= uint64_t{1} << value;
  return set;
}

absl::StatusOr<uint64_t> List(const Field& field, std::string_view list) {
  std::string_view text = list;
  uint64_t set = 0;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    if (item.empty()) return Wrong(field, list, "has a comma too many");
    absl::StatusOr<uint64_t> values = Item(field, item);
    if (!values.ok()) return values.status();
    set |= *values;
    if (comma == std::string_view::npos) return set;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string_view> Words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::string_view> words;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.empty()) return words;
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    words.push_back(word);
    text.remove_prefix(word.size());
  }
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kShort = {{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
}};

int DaysOf(absl::CivilMonth month) {
  return static_cast<int>(absl::CivilDay(month + 1) - absl::CivilDay(month));
}

// absl counts from Monday.
int WeekdayOf(absl::CivilDay day) { return (static_cast<int>(absl::GetWeekday(day)) + 1) % 7; }

}  // namespace

absl::StatusOr<CronLine> CronLine::Parse(std::string_view text) {
  if (text.size() > kLongest) {
    return absl::InvalidArgumentError(
        fmt::format("a line of {} characters is too long; most is {}", text.size(), kLongest));
  }
  std::vector<std::string_view> words = Words(text);
  if (words.size() == 1 && words[0].front() == '@') {
    const auto* const known = std::find_if(kShort.begin(), kShort.end(),
                                           [&](const auto& s) { return s.first == words[0]; });
    if (known == kShort.end()) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is not known; there are @hourly, @daily, @weekly, @monthly, @yearly",
                      Escape(words[0])));
    }
    words = Words(known->second);
  }
  if (words.size() != 5) {
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" has {} field{} instead of five; right is minute hour day month weekday, for "
        "example 30 3 * * mon-fri",
        Escape(text), words.size(), words.size() == 1 ? "" : "s"));
  }
  CronLine line;
  const std::array<std::pair<const Field&, uint64_t&>, 5> fields = {{{kMinute, line.minutes_},
                                                                     {kHour, line.hours_},
                                                                     {kDay, line.days_},
                                                                     {kMonth, line.months_},
                                                                     {kWeekday, line.weekdays_}}};
  for (size_t i = 0; i < fields.size(); ++i) {
    absl::StatusOr<uint64_t> set = List(fields.at(i).first, words[i]);
    if (!set.ok()) return set.status();
    fields.at(i).second = *set;
  }
  if (Has(line.weekdays_, 7)) line.weekdays_ |= 1;
  line.weekdays_ &= Bits(0, 6);
  if (!line.AnyDayComes()) {
    return absl::InvalidArgumentError(fmt::format(
        "day \"{}\" never comes in month \"{}\"; right is for example 28 2, or 30 4,6,9,11",
        Escape(words[2]), Escape(words[3])));
  }
  return line;
}

bool CronLine::every_hour() const { return hours_ == Bits(0, 23); }

bool CronLine::AnyDayComes() const {
  if (weekdays_ != Bits(0, 6)) return true;
  for (int month = LeastFrom(months_, 1); month <= 12; month = LeastFrom(months_, month + 1)) {
    // 2000 has a 29th of February.
    if (LeastFrom(days_, 1) <= DaysOf(absl::CivilMonth(2000, month))) return true;
  }
  return false;
}

bool CronLine::MeansDay(absl::CivilDay day) const {
  if (!Has(months_, day.month())) return false;
  const bool by_day = Has(days_, day.day());
  const bool by_weekday = Has(weekdays_, WeekdayOf(day));
  // A field that is not restricted holds every value, so "both" is right where one is not.
  const bool either = days_ != Bits(1, 31) && weekdays_ != Bits(0, 6);
  return either ? by_day || by_weekday : by_day && by_weekday;
}

std::optional<absl::CivilMinute> CronLine::FirstOfDay(absl::CivilDay day, int hour,
                                                      int minute) const {
  const int at_minute = LeastFrom(minutes_, minute);
  if (Has(hours_, hour) && at_minute <= 59) {
    return absl::CivilMinute(day.year(), day.month(), day.day(), hour, at_minute);
  }
  const int at_hour = LeastFrom(hours_, hour + 1);
  if (at_hour > 23) return std::nullopt;
  return absl::CivilMinute(day.year(), day.month(), day.day(), at_hour, LeastFrom(minutes_, 0));
}

std::optional<absl::CivilMinute> CronLine::FirstFrom(absl::CivilMinute from) const {
  absl::CivilDay day(from);
  if (MeansDay(day)) {
    const auto first = FirstOfDay(day, from.hour(), from.minute());
    if (first) return first;
  }
  ++day;
  // From March 1896 to February 1904 there are 96 months, and none of them has a 29th of February
  // but the last.
  for (int months = 0; months <= 97; ++months, day = absl::CivilDay(absl::CivilMonth(day) + 1)) {
    if (!Has(months_, day.month())) continue;
    for (const absl::CivilMonth month(day); absl::CivilMonth(day) == month; ++day) {
      if (MeansDay(day)) return FirstOfDay(day, 0, 0);
    }
    --day;
  }
  return std::nullopt;
}

}  // namespace procctl::node
