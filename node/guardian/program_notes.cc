#include "node/guardian/program_notes.h"

#include <cstddef>
#include <optional>

#include "node/core/restart_rule.h"
#include "node/core/schedule.h"
#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

std::string TextOf(absl::Time time) {
  return time == absl::InfiniteFuture() ? "never" : RunOf(time);
}

std::string QuietNote(const ProgramSpec& spec, absl::Time now) {
  const std::optional<absl::Time> until = spec.quiet.EndAfter(now);
  const absl::Time from = until ? now : spec.quiet.NextFrom(now);
  std::string text;
  if (until) {
    text = fmt::format("{}: quiet until {}", spec.name, TextOf(*until));
  } else if (from == absl::InfiniteFuture()) {
    text = fmt::format("{}: quiet never again", spec.name);
  } else {
    text = fmt::format("{}: quiet next from {} until {}", spec.name, TextOf(from),
                       TextOf(spec.quiet.EndAfter(from).value_or(from)));
  }
  if (spec.schedule) {
    ScheduleRule rule = *spec.schedule;
    // It differs from node to node.
    rule.jitter = Nanos(0);
    const Schedule schedule(rule, 0, {.last_due = now, .pending = std::nullopt});
    text += fmt::format("; next run {}", TextOf(schedule.next(now)));
  }
  return text + "\n";
}

// Starts by a schedule are counted too: of those nothing can be said.
bool MayHideFailures(const ProgramSpec& spec, const Parking& parking) {
  return spec.restart != RestartPolicy::kNever && spec.intensity.starts < IntensityRule::kNever &&
         !spec.schedule && spec.every == Nanos(0) && !parking.when_failing_at_once;
}

int LineOf(const ConfigLines& lines, const std::string& section) {
  for (const char* key : {".intensity", ".backoff", ""}) {
    if (const auto found = lines.find(section + key); found != lines.end()) return found->second;
  }
  return 0;
}

}  // namespace

std::string ProgramNotes(const std::string& file, const ConfigLines& lines,
                         const std::vector<ProgramSpec>& specs, absl::Time now) {
  std::string out;
  for (size_t i = 0; i < specs.size(); ++i) {
    const ProgramSpec& spec = specs[i];
    const Parking parking = ParkingOf(spec);
    if (MayHideFailures(spec, parking)) {
      out += fmt::format(
          "{}:{}: note: {} is never parked while it fails at once: with its backoff "
          "it is not started more than {} times within {}; {}\n",
          file, LineOf(lines, fmt::format("programs.{}", i)), spec.name, spec.intensity.starts,
          FormatDuration(spec.intensity.within), WordsFor(spec.intensity, parking));
    }
    if (!spec.quiet.empty()) out += QuietNote(spec, now);
  }
  return out;
}

}  // namespace procctl::node
