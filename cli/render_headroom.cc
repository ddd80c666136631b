#include <algorithm>
#include <cstdint>

#include "cli/fields.h"
#include "cli/render_detail.h"
#include "cli/story_words.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

constexpr double kWidestBar = 40;

// At least one mark for what is not nothing: a single long gap is what one looks for here.
std::string Bar(int64_t count, int64_t most) {
  if (count <= 0 || most <= 0) return "";
  const double share = static_cast<double>(count) / static_cast<double>(most);
  return std::string(std::max<size_t>(1, static_cast<size_t>(share * kWidestBar)), '#');
}

std::string Percent(nanoseconds part, nanoseconds whole) {
  if (whole <= nanoseconds(0)) return "";
  return fmt::format(" ({:.0f} % of the timeout)", 100.0 * static_cast<double>(part.count()) /
                                                       static_cast<double>(whole.count()));
}

std::string Histogram(const v1::Headroom& headroom, nanoseconds timeout) {
  const auto& gaps = headroom.gaps();
  // Buckets that nobody ever reached, beyond the timeout, would only be noise.
  int shown = 0;
  for (int i = 0; i < gaps.size(); ++i) {
    const bool judged = i < headroom.limits_size() && FromProto(headroom.limits(i)) <= timeout;
    if (gaps[i] != 0 || judged) shown = i + 1;
  }
  int64_t most = 0;
  for (const int64_t count : gaps) most = std::max(most, count);
  std::vector<std::string> limits;
  size_t widest = 0;
  for (int i = 0; i < shown; ++i) {
    std::string limit;
    if (i < headroom.limits_size()) {
      limit = "up to " + FormatDuration(FromProto(headroom.limits(i)));
    } else if (headroom.limits_size() > 0) {
      limit = "over " + FormatDuration(FromProto(headroom.limits(headroom.limits_size() - 1)));
    } else {
      limit = "any";
    }
    widest = std::max(widest, limit.size());
    limits.push_back(std::move(limit));
  }
  std::string out;
  for (int i = 0; i < shown; ++i) {
    const nanoseconds from =
        i == 0 || i > headroom.limits_size() ? nanoseconds(0) : FromProto(headroom.limits(i - 1));
    const bool has_end = i < headroom.limits_size();
    const bool here = from < timeout && (!has_end || timeout <= FromProto(headroom.limits(i)));
    const std::string& limit = limits[static_cast<size_t>(i)];
    const std::string bar = Bar(gaps[i], most);
    out += fmt::format("  {}{} |{}{}{}{}\n", limit, std::string(widest - limit.size(), ' '), bar,
                       bar.empty() ? "" : " ", gaps[i],
                       here ? fmt::format("   <- the timeout, {}", FormatDuration(timeout)) : "");
  }
  return out;
}

}  // namespace

std::string RenderHeadroom(const v1::Headroom& headroom, nanoseconds timeout) {
  if (headroom.gaps().empty()) return "  no gaps are recorded\n";
  Fields fields;
  if (headroom.has_worst()) {
    const nanoseconds worst = FromProto(headroom.worst());
    fields.Add("Worst gap", ExactText(worst) + Percent(worst, timeout));
  }
  fields.Add("Near misses", std::to_string(headroom.near_misses()));
  if (headroom.has_suggested_timeout()) {
    const nanoseconds suggested = FromProto(headroom.suggested_timeout());
    fields.Add("Suggested timeout",
               fmt::format("{} (now {})", ExactText(suggested), ExactText(timeout)));
  } else {
    fields.Add("Suggested timeout", "none yet: fewer than 100 gaps were seen");
  }
  return Histogram(headroom, timeout) + fields.Render(2);
}

}  // namespace procctl::cli
