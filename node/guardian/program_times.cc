#include "node/guardian/program_times.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/time/civil_time.h"
#include "node/guardian/program_words.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Nanos kDay = hours(24);
constexpr Nanos kMonth = 30 * kDay;

class TimesChecker {
 public:
  TimesChecker(const v1::ProgramConfig& config, SectionChecker* section, ProgramSpec* spec)
      : config_(config), section_(*section), spec_(*spec) {}

  void Check() {
    Every();
    Zone();
    Age();
    Quiet();
    Cron();
  }

 private:
  bool Meant(std::string_view key) const { return section_.Given(key) || section_.Told(key); }

  void Every() {
    spec_.every = section_.Between("every", config_.every(), config_.has_every(), Nanos(0),
                                   seconds(1), kMonth);
    if (section_.Given("cron") && section_.Given("every")) {
      section_.Refuse("cron", "a program has either every or cron; keep one");
    }
    if (spec_.manual && IsScheduled(section_)) {
      section_.Refuse("manual", fmt::format("a program that is started by order only has no {}; "
                                            "leave out one of the two",
                                            section_.Given("cron") ? "cron" : "every"));
    }
    spec_.run_limit = section_.Between("run_limit", config_.run_limit(), config_.has_run_limit(),
                                       Nanos(0), milliseconds(100), kMonth);
  }

  // Beside a line that is good in any zone, so that the right one of the two is blamed.
  void Zone() {
    zone_ = config_.time_zone();
    if (!Meant("cron") && !Meant("quiet")) {
      if (section_.Given("time_zone")) {
        section_.Refuse("time_zone",
                        "has a meaning beside cron or quiet only; leave it out, or add cron");
      }
    } else if (const auto good = CronTimes::Parse("@daily", zone_); !good.ok()) {
      section_.Refuse("time_zone", good.status());
      zone_.clear();
    }
  }

  void Age() {
    spec_.max_age = section_.Between("max_age", config_.max_age(), config_.has_max_age(), Nanos(0),
                                     seconds(1), 365 * kDay);
    spec_.max_age_variance = section_.Between("max_age_variance", config_.max_age_variance(),
                                              spec_.max_age_variance, 0, 50);
    if (section_.Given("max_age_variance") && !Meant("max_age")) {
      section_.Refuse("max_age_variance",
                      "has a meaning beside max_age only; leave it out, or add max_age");
    }
  }

  void Quiet() {
    if (config_.quiet().empty()) return;
    if (!Meant("cron") && !Meant("every") && !Meant("max_age")) {
      section_.Refuse("quiet",
                      "keeps nothing away from a program without cron, every or max_age; leave it "
                      "out, or add one of them");
    }
    std::vector<QuietWindow> windows;
    for (int i = 0; i < config_.quiet_size(); ++i) {
      const v1::QuietWindow& window = config_.quiet(i);
      const std::string from = fmt::format("quiet.{}.from", i);
      const std::string last = fmt::format("quiet.{}.last", i);
      const Nanos length =
          section_.Between(last, window.last(), window.has_last(), Nanos(0), minutes(1), 7 * kDay);
      if (!window.has_last() && !section_.Told(last)) {
        section_.Refuse(last, "is missing: every quiet window ends; add for example: last: 8h");
      }
      if (window.from().empty() && !section_.Told(from)) {
        section_.Refuse(from, "is missing; add for example: from: \"0 22 * * *\"");
      }
      if (section_.Told(from)) continue;
      const auto times = CronTimes::Parse(window.from(), zone_);
      if (!times.ok()) {
        section_.Refuse(from, times.status());
      } else if (length > Nanos(0)) {
        windows.push_back({*times, length});
      }
    }
    // Of windows that are refused in part nothing more can be said.
    if (windows.size() != static_cast<size_t>(config_.quiet_size())) return;
    QuietTimes quiet(std::move(windows));
    if (quiet.NeverEnd()) {
      return section_.Refuse("quiet",
                             "these windows follow each other without a gap, so that it would be "
                             "quiet for ever; shorten last, or let from come more rarely");
    }
    spec_.quiet = std::move(quiet);
  }

  void Cron() {
    const bool cron = section_.Given("cron");
    const Overlap overlap =
        section_.Word("overlap", config_.overlap(), OverlapWords(), Overlap::kSkip);
    const Nanos catch_up = section_.Between("catch_up", config_.catch_up(), config_.has_catch_up(),
                                            Nanos(0), Nanos(0), kMonth);
    const Nanos jitter = section_.Between("jitter", config_.jitter(), config_.has_jitter(),
                                          Nanos(0), Nanos(0), kDay);
    // It may be there, misspelt.
    if (!Meant("cron")) {
      for (const char* key : {"overlap", "catch_up", "jitter"}) {
        if (section_.Given(key))
          section_.Refuse(key, "has a meaning beside cron only; leave it out, or add cron");
      }
    }
    if (!cron || section_.Told("cron")) return;
    auto times = CronTimes::Parse(config_.cron(), zone_);
    if (!times.ok()) return section_.Refuse("cron", times.status());
    spec_.schedule.emplace(ScheduleRule{*std::move(times), overlap, catch_up, jitter, spec_.quiet});
    Reached(catch_up);
  }

  // Some due time comes to a run.
  void Reached(Nanos catch_up) {
    if (spec_.quiet.empty() || section_.Told("time_zone") || section_.Told("catch_up") ||
        section_.Told("jitter")) {
      return;
    }
    const absl::Time some = absl::FromCivil(absl::CivilSecond(2024, 1, 1), absl::UTCTimeZone());
    ScheduleRule rule = *spec_.schedule;
    // Another one on each node.
    rule.jitter = Nanos(0);
    if (Schedule(rule, 0, {.last_due = some, .pending = std::nullopt}).next(some) <
        absl::InfiniteFuture()) {
      return;
    }
    section_.Refuse(
        "quiet",
        fmt::format("every due time of cron lies in it{}, so that the program "
                    "would never be started; change one of the two",
                    catch_up > Nanos(0) ? " and is older than catch_up when it ends" : ""));
  }

  const v1::ProgramConfig& config_;
  SectionChecker& section_;
  ProgramSpec& spec_;
  std::string zone_;
};

}  // namespace

bool IsScheduled(const SectionChecker& section) {
  return section.Given("every") || section.Given("cron");
}

void CheckProgramTimes(const v1::ProgramConfig& config, SectionChecker* section,
                       ProgramSpec* spec) {
  TimesChecker(config, section, spec).Check();
}

}  // namespace procctl::node
