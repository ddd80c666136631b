#include "cli/cell.h"
#include "cli/exit_code.h"
#include "cli/names.h"
#include "cli/render.h"
#include "cli/time_text.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What the node or the controller says, else what we can.
std::string Reason(const v1::HoldOutcome& outcome, std::string_view otherwise) {
  return outcome.message().empty() ? std::string(otherwise) : Printable(outcome.message());
}

std::string RefusalText(const v1::HoldOutcome& outcome) {
  switch (outcome.refusal()) {
    case v1::REFUSAL_NODE_UNREACHABLE:
      return Reason(outcome, "its node cannot be reached now");
    case v1::REFUSAL_NO_SUCH_NODE:
      return Reason(outcome, "no node of that name was ever seen");
    case v1::REFUSAL_NOT_GUARDED:
      return Reason(outcome, "it is not guarded any more");
    default:
      return fmt::format("refused ({}): {}", Word(outcome.refusal()),
                         Reason(outcome, "no reason was given"));
  }
}

std::string WhyNot(const v1::HoldOutcome& outcome) {
  switch (outcome.verdict()) {
    case v1::VERDICT_UNSPECIFIED:
      return fmt::format("{}; it may come about later, look with: procctl-cli list",
                         Reason(outcome, "no answer came from its node"));
    case v1::VERDICT_GONE_ALREADY:
      return Reason(outcome, "it has ended already");
    case v1::VERDICT_IDENTITY_MISMATCH:
      return "it is no longer the process you saw" +
             (outcome.message().empty() ? "" : ": " + Printable(outcome.message()));
    case v1::VERDICT_EXPIRED:
      return Reason(outcome, "the order came after its time to live");
    case v1::VERDICT_REFUSED:
      return RefusalText(outcome);
    default:
      return fmt::format("ended as {}: {}", Word(outcome.verdict()),
                         Reason(outcome, "no reason was given"));
  }
}

}  // namespace

std::string RenderHold(const v1::KillTarget& target, const v1::HoldOutcome& outcome, bool release) {
  const std::string line = fmt::format("{}/{}[{}]  ", Cell(target.node()), Cell(target.slot()),
                                       target.incarnation().pid());
  if (!outcome.done()) {
    return fmt::format("{}not {}: {}\n", line, release ? "released" : "held", WhyNot(outcome));
  }
  if (release) return line + "released\n";
  return outcome.has_until() ? fmt::format("{}held until {}\n", line, DateText(outcome.until()))
                             : line + "held\n";
}

std::string HoldSummary(const v1::HoldSlotsResponse& response, bool release) {
  int done = 0;
  for (const v1::HoldOutcome& outcome : response.outcomes()) done += outcome.done() ? 1 : 0;
  return fmt::format("{} {}, {} failed.\n", done, release ? "released" : "held",
                     response.outcomes_size() - done);
}

}  // namespace procctl::cli
