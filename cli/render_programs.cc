#include "cli/render_programs.h"

#include <algorithm>
#include <map>

#include "cli/cell.h"
#include "cli/death_words.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/story_words.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/time_text.h"
#include "cli/usage_cells.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::chrono::hours kSoon{1};
constexpr std::chrono::hours kToday{24};
constexpr size_t kMinuteOfDate = sizeof("2026-11-23T02:00") - 1;
constexpr size_t kMinuteOfClock = sizeof("02:00") - 1;

bool IsStale(const v1::FleetProgram& row) {
  return row.node_state() != v1::NODE_STATE_CONNECTED &&
         row.node_state() != v1::NODE_STATE_UNSPECIFIED;
}

Colour ColourOf(const v1::FleetProgram& row) {
  if (IsStale(row)) return Colour::kDim;
  switch (row.program().state()) {
    case v1::PROGRAM_STATE_RUNNING:
      return Colour::kGreen;
    case v1::PROGRAM_STATE_BACKOFF:
    case v1::PROGRAM_STATE_STOPPING:
      return Colour::kYellow;
    case v1::PROGRAM_STATE_PARKED:
      return Colour::kRed;
    default:
      return Colour::kNone;
  }
}

bool HasProcess(const v1::Program& program) { return program.incarnation().pid() > 0; }

std::string UpText(const v1::FleetProgram& row, const google::protobuf::Timestamp& as_of) {
  const v1::Program& program = row.program();
  if (IsStale(row) || !HasProcess(program) || !program.has_started_at()) return "-";
  return FormatDuration(Between(program.started_at(), as_of));
}

// Why it stands where it stands; of a node that is not heard, first for how long not.
std::string MessageText(const v1::FleetProgram& row) {
  std::string text;
  if (row.node_state() != v1::NODE_STATE_CONNECTED) {
    text = fmt::format("last heard {} ago", FormatDuration(FromProto(row.age())));
    if (!row.program().message().empty()) text += "; ";
  }
  text += Printable(row.program().message());
  return text.empty() ? "-" : text;
}

std::string LabelsText(const v1::Program& program) {
  return Cell(fmt::format("{}", fmt::join(program.labels(), ",")));
}

// Columns that only a wide table has, before MESSAGE.
std::vector<TableCell> WideCells(const v1::FleetProgram& row) {
  const v1::Program& program = row.program();
  std::vector<TableCell> cells = UsageCells(row.has_usage() ? &row.usage() : nullptr);
  cells.push_back({program.door() == v1::DOOR_UNSPECIFIED ? "-" : Word(program.door())});
  cells.push_back({LabelsText(program)});
  cells.push_back({Cell(program.cgroup())});
  return cells;
}

std::vector<TableCell> RowOf(const v1::FleetProgram& row, const google::protobuf::Timestamp& as_of,
                             Columns columns) {
  const v1::Program& program = row.program();
  std::vector<TableCell> cells = {
      {Cell(row.node())},
      {Cell(program.label())},
      {ProgramStateText(row), ColourOf(row)},
      {HasProcess(program) ? std::to_string(program.incarnation().pid()) : "-"},
      {UpText(row, as_of)},
      {std::to_string(program.restarts())},
      {IsStale(row) ? "-" : NextText(program, as_of)},
      {program.has_last_death() ? LastText(program.last_death()) : "-"}};
  if (columns == Columns::kWide) {
    for (TableCell& cell : WideCells(row)) cells.push_back(std::move(cell));
  }
  cells.push_back({MessageText(row), IsStale(row) ? Colour::kDim : Colour::kNone});
  return cells;
}

Table ProgramTable(Columns columns) {
  std::vector<std::string> headers = {"NODE", "PROGRAM",  "STATE", "PID",
                                      "UP",   "RESTARTS", "NEXT",  "LAST"};
  if (columns == Columns::kWide) {
    for (std::string& header : UsageHeaders()) headers.push_back(std::move(header));
    for (const char* header : {"DOOR", "LABELS", "CGROUP"}) headers.emplace_back(header);
  }
  headers.emplace_back("MESSAGE");
  return Table(std::move(headers));
}

std::string SummaryLine(const ProgramList& list) {
  std::map<std::string, int> by_state;
  for (const v1::FleetProgram& row : list.programs) ++by_state[ProgramStateText(row)];
  std::vector<std::pair<int, std::string>> counts;
  counts.reserve(by_state.size());
  for (const auto& [state, n] : by_state) counts.emplace_back(-n, state);
  std::sort(counts.begin(), counts.end());
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [n, state] : counts) parts.push_back(fmt::format("{} {}", -n, state));
  return fmt::format("{}{}{}. As of {}\n",
                     CountText(static_cast<int64_t>(list.programs.size()), "program"),
                     parts.empty() ? "" : ": ", fmt::join(parts, ", "), ClockText(list.as_of));
}

}  // namespace

std::string ProgramStateText(const v1::FleetProgram& row) {
  return IsStale(row) ? "stale" : Word(row.program().state());
}

std::string NextText(const v1::Program& program, const google::protobuf::Timestamp& as_of) {
  if (!program.has_next_start()) return "-";
  const auto left = Between(as_of, program.next_start());
  if (left <= std::chrono::nanoseconds(0)) return "now";
  if (left < kSoon) return "in " + FormatDuration(left);
  return "at " + (left < kToday ? ClockText(program.next_start()).substr(0, kMinuteOfClock)
                                : DateText(program.next_start()).substr(0, kMinuteOfDate));
}

std::string RenderPrograms(const ProgramList& list, bool colour, Columns columns) {
  Table table = ProgramTable(columns);
  for (const v1::FleetProgram& row : list.programs) table.Add(RowOf(row, list.as_of, columns));
  const std::string rows = table.Render(colour);
  return rows + (rows.empty() ? "" : "\n") + SummaryLine(list);
}

std::string RenderProgramRows(const std::vector<v1::FleetProgram>& rows,
                              const google::protobuf::Timestamp& as_of, bool colour) {
  Table table = ProgramTable(Columns::kUsual);
  for (const v1::FleetProgram& row : rows) table.Add(RowOf(row, as_of, Columns::kUsual));
  return table.Render(colour);
}

std::string ProgramJson(const v1::FleetProgram& row) {
  const v1::Incarnation& incarnation = row.program().incarnation();
  return JsonObject(row, HasProcess(row.program()) ? IncarnationText(incarnation) : "");
}

std::string ProgramsJson(const ProgramList& list) {
  std::string out = fmt::format("{{\"apiVersion\":\"{}\",\"asOf\":{},\"programs\":[", kApiVersion,
                                JsonTime(list.as_of));
  for (size_t i = 0; i < list.programs.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    out += ProgramJson(list.programs[i]);
  }
  return out + "]}\n";
}

}  // namespace procctl::cli
