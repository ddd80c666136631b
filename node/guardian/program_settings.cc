#include "node/guardian/program_settings.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "node/core/restart_rule.h"
#include "node/guardian/program_order.h"
#include "node/guardian/program_times.h"
#include "node/guardian/program_user.h"
#include "node/guardian/program_words.h"
#include "node/guardian/section_checker.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kDay = hours(24);
constexpr Nanos kMonth = 30 * kDay;
constexpr int kMostInstances = 1000;
constexpr int64_t kKibi = 1024;
constexpr int64_t kMebi = 1024 * kKibi;
constexpr int64_t kTebi = 1024 * 1024 * kMebi;
// With less no program comes as far as its main: a unit was forgotten.
constexpr int64_t kLeastMemory = kMebi;
constexpr int64_t kMostMemory = 1024 * kTebi;

bool IsAbsolute(const std::string& path) { return !path.empty() && path.front() == '/'; }

class ProgramChecker {
 public:
  ProgramChecker(const v1::ProgramConfig& config, SectionChecker section,
                 const ProgramDefaults& defaults)
      : config_(config), section_(std::move(section)), defaults_(defaults) {}

  ProgramSpec Check() {
    spec_.config = config_;
    Name();
    Start();
    Environment();
    Beats();
    Restarts();
    Stop();
    CheckProgramTimes(config_, &section_, &spec_);
    Limits();
    Output();
    Labels();
    return std::move(spec_);
  }

 private:
  void Name() {
    spec_.name = config_.name();
    if (spec_.name.empty()) {
      return section_.Refuse("name", "every program needs a name; add for example: name: web");
    }
    if (!IsProgramName(spec_.name)) {
      section_.Refuse("name", fmt::format("\"{}\" is not a name: 1 to 48 of A-Z, a-z, 0-9, '.', "
                                          "'_' and '-'",
                                          spec_.name));
    }
  }

  void Start() {
    const bool listed = config_.command_size() != 0;
    const bool line = !config_.shell().empty();
    if (listed && line) {
      section_.Refuse("shell", "a program has either command or shell; keep one");
    } else if (!listed && !line && !section_.Told("shell")) {
      section_.Refuse("command",
                      "a program needs command or shell; add for example: command: [/usr/bin/tor]");
    }
    if (line) {
      spec_.argv = {"/bin/sh", "-c", config_.shell()};
    } else {
      spec_.argv.assign(config_.command().begin(), config_.command().end());
    }
    if (listed) {
      const std::string& program = config_.command(0);
      if (program.empty()) {
        section_.Refuse("command.0", "is empty; the first is the program");
      } else if (program.front() != '/' && program.find('/') != std::string::npos) {
        section_.Refuse("command.0", fmt::format("\"{}\" must be an absolute path, or a plain name "
                                                 "that is looked for in PATH",
                                                 program));
      }
    }
    spec_.user = FindProgramUser(
        config_.user(), config_.group(), {config_.groups().begin(), config_.groups().end()},
        defaults_.root,
        [this](const std::string& key, const std::string& text) { section_.Refuse(key, text); });
    if (!config_.dir().empty()) {
      spec_.dir = config_.dir();
      AbsolutePath("dir", spec_.dir);
    }
    if (!config_.umask().empty()) {
      const auto mask = ReadUmask(config_.umask());
      if (mask.ok()) {
        spec_.umask = *mask;
      } else {
        section_.Refuse("umask", mask.status());
      }
    }
    spec_.instances = section_.Between("instances", config_.instances(), 1, 1, kMostInstances);
    spec_.after.assign(config_.after().begin(), config_.after().end());
    spec_.needs.assign(config_.needs().begin(), config_.needs().end());
    spec_.manual = config_.manual();
  }

  void AbsolutePath(std::string_view key, const std::string& path) {
    if (!IsAbsolute(path)) {
      section_.Refuse(key, fmt::format("\"{}\" must be an absolute path", path));
    }
  }

  // `read` gives what may be there only once.
  template <typename Items, typename Read>
  std::vector<std::string> Entries(const char* key, const Items& items, Read read) {
    std::map<std::string, int, std::less<>> seen;
    for (int i = 0; i < items.size(); ++i) {
      const std::string item = fmt::format("{}.{}", key, i);
      if (section_.Told(item)) continue;
      const absl::StatusOr<std::string_view> name = read(items.Get(i));
      if (!name.ok()) {
        section_.Refuse(item, name.status());
      } else if (const auto [at, fresh] = seen.try_emplace(std::string(*name), section_.Line(item));
                 !fresh) {
        section_.Refuse(
            item, fmt::format("{} is given twice, first in line {}; keep one", *name, at->second));
      }
    }
    return {items.begin(), items.end()};
  }

  void Environment() {
    spec_.env = Entries("env", config_.env(), EnvName);
    for (int i = 0; i < config_.env_files_size(); ++i) {
      std::string path = config_.env_files(i);
      const bool may_be_missing = !path.empty() && path.front() == '-';
      if (may_be_missing) path.erase(0, 1);
      AbsolutePath(fmt::format("env_files.{}", i), path);
      spec_.env_files.push_back({std::move(path), may_be_missing});
    }
  }

  void Beats() {
    spec_.door = section_.Word("door", config_.door(), DoorWords(), v1::DOOR_PROGRAM);
    spec_.notify_all =
        section_.Word("notify_access", config_.notify_access(), NotifyAccessWords(), false);
    const Nanos least = std::max<Nanos>(milliseconds(500), defaults_.least_timeout);
    spec_.watchdog = section_.Between("watchdog", config_.watchdog(), config_.has_watchdog(),
                                      Nanos(0), least, kDay);
    spec_.start_grace =
        section_.Between("start_grace", config_.start_grace(), config_.has_start_grace(),
                         seconds(90), milliseconds(100), kDay);
    if (spec_.door == v1::DOOR_NOTIFY || section_.Told("door")) return;
    const bool native = spec_.door == v1::DOOR_NATIVE;
    for (const char* key : {"watchdog", "start_grace", "notify_access"}) {
      if (!section_.Given(key)) continue;
      section_.Refuse(key,
                      fmt::format("has a meaning with door: notify only, and this door is {}{}",
                                  native ? "native" : "none",
                                  native ? ": the program says itself how long it may be silent"
                                         : "; add door: notify"));
    }
  }

  template <typename Codes>
  std::set<int> ExitCodes(const char* key, const Codes& codes) {
    for (int i = 0; i < codes.size(); ++i) {
      if (codes.Get(i) >= 0 && codes.Get(i) <= 255) continue;
      section_.Refuse(fmt::format("{}.{}", key, i),
                      fmt::format("{} is no exit code; they are 0 to 255", codes.Get(i)));
    }
    return {codes.begin(), codes.end()};
  }

  void Restarts() {
    spec_.restart =
        section_.Word("restart", config_.restart(), RestartWords(),
                      IsScheduled(section_) ? RestartPolicy::kNever : RestartPolicy::kAlways);
    if (IsScheduled(section_) && config_.restart() == "always") {
      section_.Refuse("restart",
                      "always and a schedule contradict each other: it would be started at its "
                      "end, not when it is due; leave out restart, or use on-failure");
    }
    if (config_.success_codes_size() != 0) {
      spec_.success_codes = ExitCodes("success_codes", config_.success_codes());
    }
    spec_.final_codes = ExitCodes("final_codes", config_.final_codes());

    const v1::RestartBackoff& backoff = config_.backoff();
    BackoffRule& rule = spec_.backoff;
    rule.first = section_.Between("backoff.first", backoff.first(), backoff.has_first(), rule.first,
                                  Nanos(0), kDay);
    rule.most = section_.Between("backoff.most", backoff.most(), backoff.has_most(),
                                 std::max(rule.most, rule.first),
                                 section_.Told("backoff.first") ? Nanos(0) : rule.first, kMonth);
    rule.jitter_percent = section_.Between("backoff.jitter_percent", backoff.jitter_percent(),
                                           rule.jitter_percent, 0, 100);
    rule.reset_after =
        section_.Between("backoff.reset_after", backoff.reset_after(), backoff.has_reset_after(),
                         rule.reset_after, milliseconds(100), kMonth);

    const v1::RestartIntensity& intensity = config_.intensity();
    IntensityRule& often = spec_.intensity;
    often.starts = section_.Between("intensity.starts", intensity.starts(), often.starts, 1,
                                    IntensityRule::kNever);
    often.within = section_.Between("intensity.within", intensity.within(), intensity.has_within(),
                                    often.within, milliseconds(100), kMonth);
    often.retry_every =
        section_.Between("intensity.retry_every", intensity.retry_every(),
                         intensity.has_retry_every(), often.retry_every, seconds(1), kDay);
    Reachable();
  }

  // An intensity that somebody wrote can be reached. One that is standard may be made unreachable
  // by the backoff: that is told by `procctl-node check`.
  void Reachable() {
    for (const char* key : {"restart", "backoff.first", "backoff.most", "backoff.reset_after",
                            "intensity.starts", "intensity.within"}) {
      if (section_.Told(key)) return;
    }
    const char* key = section_.Given("intensity.starts") ? "intensity.starts" : "intensity.within";
    if (!section_.Given(key) || IsScheduled(section_)) return;
    if (spec_.restart == RestartPolicy::kNever || spec_.intensity.starts == IntensityRule::kNever)
      return;
    const Parking parking = ParkingOf(spec_);
    if (parking.possible) return;
    section_.Refuse(key, fmt::format("with this backoff it is never reached, however fast the "
                                     "program ends; {}",
                                     WordsFor(spec_.intensity, parking)));
  }

  void Stop() {
    if (!config_.stop_signal().empty()) {
      const auto signal = ReadStopSignal(config_.stop_signal());
      if (signal.ok()) {
        spec_.stop_signal = *signal;
      } else {
        section_.Refuse("stop_signal", signal.status());
      }
    }
    spec_.grace = section_.Between("grace", config_.grace(), config_.has_grace(), defaults_.grace,
                                   milliseconds(100), hours(1));
  }

  void Limits() {
    const v1::LimitsConfig& limits = config_.limits();
    CgroupLimits& cgroup = spec_.limits.cgroup;
    cgroup.memory_high =
        section_.MaybeSize("limits.memory_high", limits.memory_high(), kLeastMemory, kMostMemory);
    cgroup.memory_max =
        section_.MaybeSize("limits.memory_max", limits.memory_max(), kLeastMemory, kMostMemory);
    if (cgroup.memory_high && cgroup.memory_max && *cgroup.memory_high > *cgroup.memory_max) {
      section_.Refuse("limits.memory_high",
                      fmt::format("{} is above memory_max, {}, and would never be reached",
                                  limits.memory_high(), limits.memory_max()));
    }
    cgroup.cpu_percent =
        section_.MaybeBetween("limits.cpu_percent", limits.cpu_percent(), 1, 1'000'000);
    cgroup.pids = section_.MaybeBetween("limits.pids", limits.pids(), 1, 4'194'304);
    cgroup.io_weight = section_.MaybeBetween("limits.io_weight", limits.io_weight(), 1, 10'000);
    Entries("limits.rlimits", limits.rlimits(),
            [this](const std::string& entry) -> absl::StatusOr<std::string_view> {
              auto limit = ReadResourceLimit(entry);
              if (!limit.ok()) return limit.status();
              spec_.limits.rlimits.push_back(*std::move(limit));
              return std::string_view(entry).substr(0, entry.find('='));
            });
    spec_.limits.nice = section_.MaybeBetween("limits.nice", limits.nice(), -20, 19);
    spec_.limits.oom_score_adj =
        section_.Between("limits.oom_score_adj", limits.oom_score_adj(), 0, -1000, 1000);
    spec_.limits.restart_above_memory = section_.MaybeSize(
        "limits.restart_above_memory", limits.restart_above_memory(), kLeastMemory, kMostMemory);
  }

  // "" where it goes to no file; sets `*journal` where it goes to the journal.
  std::string OutputPath(std::string_view key, const std::string& given,
                         const std::vector<std::string>& words, bool* journal) {
    *journal = given == "journal";
    if (*journal || given.empty() || given == "null") return "";
    if (!IsAbsolute(given)) {
      section_.Refuse(key, fmt::format("{}, or an absolute path", UnknownWord(given, words)));
      return "";
    }
    const std::string path = std::filesystem::path(given).lexically_normal().string();
    if (path.back() == '/') {
      section_.Refuse(key, fmt::format("\"{}\" is a folder; name a file in it", given));
      return "";
    }
    // They would be renamed when they are full.
    for (const std::string_view folder : {"/proc/", "/sys/", "/dev/"}) {
      if (path.compare(0, folder.size(), folder) != 0) continue;
      section_.Refuse(key, fmt::format("\"{}\" is no file to write output to; write a file, "
                                       "journal, or null",
                                       given));
    }
    return path;
  }

  void Output() {
    const v1::OutputConfig& output = config_.output();
    OutputRule& rule = spec_.output;
    rule.stdout_path =
        OutputPath("output.stdout", output.stdout(), {"journal", "null"}, &rule.stdout_journal);
    if (output.stderr() == "stdout") {
      rule.stderr_to_stdout = true;
    } else {
      rule.stderr_path = OutputPath("output.stderr", output.stderr(), {"journal", "null", "stdout"},
                                    &rule.stderr_journal);
      // Two writers of one file would each rename it under the other.
      rule.stderr_to_stdout = !rule.stderr_path.empty() && rule.stderr_path == rule.stdout_path;
    }
    if (rule.stderr_to_stdout) rule.stderr_path = rule.stdout_path;
    rule.max_size = section_.MaybeSize("output.max_size", output.max_size(), 4 * kKibi, kTebi)
                        .value_or(rule.max_size);
    rule.keep = section_.Between("output.keep", output.keep(), rule.keep, 0, 1000);
  }

  void Labels() { spec_.labels = Entries("labels", config_.labels(), LabelKey); }

  const v1::ProgramConfig& config_;
  SectionChecker section_;
  const ProgramDefaults& defaults_;
  ProgramSpec spec_;
};

}  // namespace

std::vector<ProgramSpec> CheckPrograms(const v1::NodeConfig& config, const ConfigLines& lines,
                                       ConfigFaults* faults, const ProgramDefaults& defaults) {
  std::vector<ProgramSpec> specs;
  for (int i = 0; i < config.programs_size() && !faults->full(); ++i) {
    const std::string section = fmt::format("programs.{}", i);
    specs.push_back(
        ProgramChecker(config.programs(i), SectionChecker(section, lines, faults), defaults)
            .Check());
  }
  CheckProgramNames(config, lines, faults);
  CheckProgramOrder(config, lines, faults);
  return specs;
}

}  // namespace procctl::node
