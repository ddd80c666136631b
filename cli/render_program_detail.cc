#include "cli/cell.h"
#include "cli/death_words.h"
#include "cli/fields.h"
#include "cli/names.h"
#include "cli/render_programs.h"
#include "cli/story_words.h"
#include "cli/time_text.h"
#include "cli/usage_cells.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string StateText(const v1::FleetProgram& row, const google::protobuf::Timestamp& as_of) {
  const v1::Program& program = row.program();
  if (row.node_state() != v1::NODE_STATE_CONNECTED) {
    return fmt::format("not known; {} when last heard, {} ago", Word(program.state()),
                       FormatDuration(FromProto(row.age())));
  }
  const std::string next = NextText(program, as_of);
  return Word(program.state()) + (next == "-" ? "" : ", started " + next);
}

std::string DeathText(const v1::Death& death, const google::protobuf::Timestamp& as_of) {
  std::string text = LastText(death);
  if (const std::string how = HowText(death); how != text) text += ": " + how;
  if (death.has_ran()) text += ", after " + FormatDuration(FromProto(death.ran()));
  if (death.has_started_at() && death.has_ran()) {
    const auto end =
        FromProto(death.started_at()) +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(FromProto(death.ran()));
    text += fmt::format(", {} ago", FormatDuration(Between(ToProto(end), as_of)));
  }
  return text;
}

}  // namespace

std::string RenderProgramDetail(const v1::FleetProgram& row,
                                const google::protobuf::Timestamp& as_of) {
  const v1::Program& program = row.program();
  Fields fields;
  fields.Add("State", StateText(row, as_of));
  if (!program.message().empty()) fields.Add("Message", Quote(program.message()));
  if (program.incarnation().pid() > 0) {
    fields.Add("Pid", std::to_string(program.incarnation().pid()));
  }
  if (program.has_started_at() && program.incarnation().pid() > 0) {
    fields.Add("Started", fmt::format("{} ({} ago)", DateText(program.started_at()),
                                      FormatDuration(Between(program.started_at(), as_of))));
  }
  fields.Add("Cgroup",
             program.cgroup().empty() ? "none: process group only" : Cell(program.cgroup()));
  if (program.door() != v1::DOOR_UNSPECIFIED) fields.Add("Door", Word(program.door()));
  if (!program.run().empty()) fields.Add("Run", Cell(program.run()));
  fields.Add("Starts", fmt::format("{} in this boot, {} after an end nobody had ordered",
                                   program.starts(), program.restarts()));
  if (program.has_last_death()) {
    fields.Add("Last end", DeathText(program.last_death(), as_of));
  }
  if (row.has_usage()) fields.Add("Uses", UsageText(row.usage()));
  std::vector<std::string> labels;
  for (const std::string& label : program.labels()) labels.push_back(Cell(label));
  fields.Add("Labels", fmt::format("{}", fmt::join(labels, ", ")));
  return fmt::format("Program {}/{}\n", Cell(row.node()), Cell(program.label())) + fields.Render(2);
}

}  // namespace procctl::cli
