#include "cli/answer_words.h"
#include "cli/cell.h"
#include "cli/names.h"
#include "cli/render_programs.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string NotDoneText(const v1::ProgramOutcome& outcome) {
  if (outcome.verdict() == v1::VERDICT_HELD) {
    return "withheld: " + Reason(outcome.message(), "no reason was given");
  }
  return WhyNot(outcome.verdict(), outcome.refusal(), outcome.message(), "procctl-cli programs");
}

}  // namespace

std::string TargetText(const v1::ProgramTarget& target) {
  if (target.program().empty()) return Cell(target.node());
  const int pid = target.incarnation().pid();
  const std::string place = fmt::format("{}/{}", Cell(target.node()), Cell(target.program()));
  return pid > 0 ? fmt::format("{}[{}]", place, pid) : place;
}

std::string RenderProgramOutcome(v1::ProgramAction action, const v1::ProgramTarget& target,
                                 const v1::ProgramOutcome& outcome) {
  const std::string what = Word(action);
  if (!outcome.done()) {
    return fmt::format("{}  no {}: {}\n", TargetText(target), what, NotDoneText(outcome));
  }
  const std::string said = outcome.message().empty() ? "" : ": " + Printable(outcome.message());
  return action == v1::PROGRAM_ACTION_RELOAD
             ? fmt::format("{}  reloaded{}\n", TargetText(target), said)
             : fmt::format("{}  {} ordered{}\n", TargetText(target), what, said);
}

}  // namespace procctl::cli
