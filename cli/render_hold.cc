#include "cli/answer_words.h"
#include "cli/cell.h"
#include "cli/render.h"
#include "cli/time_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

std::string NotDoneText(const v1::HoldOutcome& outcome) {
  const std::string& message = outcome.message();
  if (outcome.verdict() == v1::VERDICT_GONE_ALREADY) {
    return Reason(message, "it has ended already");
  }
  if (outcome.verdict() == v1::VERDICT_REFUSED && outcome.refusal() == v1::REFUSAL_NOT_GUARDED) {
    return Reason(message, "it is not guarded any more");
  }
  return WhyNot(outcome.verdict(), outcome.refusal(), message, "procctl-cli list");
}

}  // namespace

std::string RenderHold(const v1::KillTarget& target, const v1::HoldOutcome& outcome, bool release) {
  const std::string line = fmt::format("{}/{}[{}]  ", Cell(target.node()), Cell(target.slot()),
                                       target.incarnation().pid());
  if (!outcome.done()) {
    return fmt::format("{}not {}: {}\n", line, release ? "released" : "held", NotDoneText(outcome));
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
