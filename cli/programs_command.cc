#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/filter.h"
#include "cli/program_target.h"
#include "cli/render_programs.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What was named, in the order of the list.
std::vector<v1::FleetProgram> Named(const std::vector<ProgramName>& names,
                                    const std::vector<v1::FleetProgram>& rows,
                                    std::vector<std::string>* missing) {
  std::vector<bool> found(names.size());
  std::vector<v1::FleetProgram> out;
  for (const v1::FleetProgram& row : rows) {
    bool any = false;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!IsOf(names[i], row)) continue;
      found[i] = true;
      any = true;
    }
    if (any) out.push_back(row);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!found[i]) missing->push_back(names[i].ToString());
  }
  return out;
}

}  // namespace

ExitCode ProgramsCommand(const Options& options, const Screen& screen, Client* client) {
  std::vector<ProgramName> names;
  for (const std::string& text : options.targets) {
    auto name = ParseProgramOrNode(text);
    if (!name.ok()) return screen.Fail(ExitCode::kUsage, name.status());
    names.push_back(std::move(*name));
  }
  FilterBuilder filter;
  filter.AddTerms(FilterFor(names)).AddTerms(options.filter);
  auto list = client->ListPrograms(filter.text(), AnswerTime(options), WantsUsage(options));
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  std::vector<std::string> missing;
  if (!names.empty()) list->programs = Named(names, list->programs, &missing);
  const Columns columns = options.output == Output::kWide ? Columns::kWide : Columns::kUsual;
  screen.Print(screen.json() ? ProgramsJson(*list)
                             : RenderPrograms(*list, screen.colour(), columns));
  // With a filter, that nothing of a name matches is an answer.
  if (missing.empty() || !options.filter.empty()) return ExitCode::kOk;
  return screen.Fail(
      ExitCode::kNothingMatched,
      absl::NotFoundError(fmt::format("no program is known of {}; `procctl-cli programs` and "
                                      "`procctl-cli list nodes` show what there is",
                                      fmt::join(missing, ", "))));
}

}  // namespace procctl::cli
