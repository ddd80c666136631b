#include "cli/cell.h"
#include "cli/exit_code.h"
#include "cli/names.h"
#include "cli/render_programs.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What the node or the controller says, else what we can.
std::string Reason(const v1::ProgramOutcome& outcome, std::string_view otherwise) {
  return outcome.message().empty() ? std::string(otherwise) : Printable(outcome.message());
}

std::string RefusalText(const v1::ProgramOutcome& outcome) {
  switch (outcome.refusal()) {
    case v1::REFUSAL_NODE_UNREACHABLE:
      return Reason(outcome, "its node cannot be reached now");
    case v1::REFUSAL_NO_SUCH_NODE:
      return Reason(outcome, "no node of that name was ever seen");
    default:
      return fmt::format("refused ({}): {}", Word(outcome.refusal()),
                         Reason(outcome, "no reason was given"));
  }
}

std::string WhyNot(const v1::ProgramOutcome& outcome) {
  switch (outcome.verdict()) {
    case v1::VERDICT_UNSPECIFIED:
      return fmt::format("{}; it may come about later, look with: procctl-cli programs",
                         Reason(outcome, "no answer came from its node"));
    case v1::VERDICT_IDENTITY_MISMATCH:
      return "it is no longer the process you saw" +
             (outcome.message().empty() ? "" : ": " + Printable(outcome.message()));
    case v1::VERDICT_EXPIRED:
      return Reason(outcome, "the order came after its time to live");
    case v1::VERDICT_HELD:
      return "withheld: " + Reason(outcome, "no reason was given");
    case v1::VERDICT_REFUSED:
      return RefusalText(outcome);
    default:
      return fmt::format("ended as {}: {}", Word(outcome.verdict()),
                         Reason(outcome, "no reason was given"));
  }
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
    return fmt::format("{}  no {}: {}\n", TargetText(target), what, WhyNot(outcome));
  }
  const std::string said = outcome.message().empty() ? "" : ": " + Printable(outcome.message());
  return action == v1::PROGRAM_ACTION_RELOAD
             ? fmt::format("{}  reloaded{}\n", TargetText(target), said)
             : fmt::format("{}  {} ordered{}\n", TargetText(target), what, said);
}

}  // namespace procctl::cli
