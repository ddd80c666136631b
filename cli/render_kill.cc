#include <algorithm>

#include "cli/cell.h"
#include "cli/exit_code.h"
#include "cli/names.h"
#include "cli/render.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

// ": <message>" if there is one.
std::string Because(const v1::TargetProgress& progress) {
  return progress.message().empty() ? "" : ": " + Printable(progress.message());
}

// What the node or the controller says, else what we can.
std::string Reason(const v1::TargetProgress& progress, std::string_view otherwise) {
  return progress.message().empty() ? std::string(otherwise) : Printable(progress.message());
}

std::string RefusalText(const v1::TargetProgress& progress) {
  switch (progress.refusal()) {
    case v1::REFUSAL_NODE_UNREACHABLE:
      return "not signalled: " + Reason(progress, "its node cannot be reached now");
    case v1::REFUSAL_NO_SUCH_NODE:
      return "not signalled: " + Reason(progress, "no node of that name was ever seen");
    case v1::REFUSAL_PROTECTED:
      return "refused: " + Reason(progress, "the process is protected");
    case v1::REFUSAL_OTHER_USER:
      return "refused: " +
             Reason(progress, "the node's guardian may not signal that user's processes");
    case v1::REFUSAL_NOT_GUARDED:
      return "refused: " +
             Reason(progress, "it is not guarded any more, and procctl stops only what it guards");
    case v1::REFUSAL_KERNEL:
      return "failed: " + Reason(progress, "the kernel refused the signal");
    case v1::REFUSAL_MALFORMED:
      return "refused: " + Reason(progress, "the order is malformed");
    default:
      return fmt::format("refused ({}){}", Word(progress.refusal()), Because(progress));
  }
}

// The end of a line, after what was sent.
std::string VerdictText(const v1::TargetProgress& progress) {
  const std::string took = FormatDuration(FromProto(progress.took()));
  if (progress.phase() == v1::KILL_PHASE_UNRESOLVED) {
    return fmt::format(
        "no verdict came: the node went silent, the order may still be executed; look later with: "
        "procctl-cli events --filter order={}",
        Cell(progress.order_id()));
  }
  if (progress.phase() == v1::KILL_PHASE_CANCELLED) {
    return "not signalled: " + Reason(progress, "its order was cancelled before its turn");
  }
  switch (progress.verdict()) {
    case v1::VERDICT_GONE_ALREADY:
      return "was gone already, nobody was signalled";
    case v1::VERDICT_EXITED_ON_TERM:
      return "exited in " + took;
    case v1::VERDICT_KILLED:
      return "gone in " + took;
    case v1::VERDICT_UNKILLABLE:
      return fmt::format(
          "still there after {} (uninterruptible); the node tries again every minute", took);
    case v1::VERDICT_IDENTITY_MISMATCH:
      return "not signalled: it is no longer the process you saw" + Because(progress);
    case v1::VERDICT_HELD:
      return "withheld" + Because(progress);
    case v1::VERDICT_REFUSED:
      return RefusalText(progress);
    case v1::VERDICT_EXPIRED:
      return "not signalled: the order came after its time to live" + Because(progress);
    case v1::VERDICT_RECOVERED:
      return "not signalled: it beat again";
    case v1::VERDICT_UNKNOWN_AFTER_CRASH:
      return "not known: the guardian ended in the middle; look with: procctl-cli list" +
             Because(progress);
    default:
      return fmt::format("ended as {}{}", Word(progress.verdict()), Because(progress));
  }
}

}  // namespace

KillStory::KillStory(std::vector<v1::KillTarget> targets, nanoseconds grace)
    : targets_(std::move(targets)),
      grace_(grace),
      outcomes_(targets_.size()),
      kill_sent_after_(targets_.size(), nanoseconds(0)) {}

std::string KillStory::Line(size_t target) const {
  const v1::KillTarget& who = targets_[target];
  const v1::TargetProgress& what = outcomes_[target];
  std::string line =
      fmt::format("{}/{}[{}]  ", Cell(who.node()), Cell(who.slot()), who.incarnation().pid());
  const bool killed = what.kill_sent() || what.verdict() == v1::VERDICT_KILLED ||
                      what.verdict() == v1::VERDICT_UNKILLABLE;
  const bool asked = killed || what.phase() == v1::KILL_PHASE_TERM_SENT ||
                     what.verdict() == v1::VERDICT_EXITED_ON_TERM;
  if (asked) line += "SIGTERM ... ";
  if (killed) {
    line += "SIGKILL";
    const nanoseconds after =
        kill_sent_after_[target] > nanoseconds(0) ? kill_sent_after_[target] : grace_;
    if (after > nanoseconds(0)) line += fmt::format(" after {} grace", FormatDuration(after));
    line += ", ";
  }
  return what.done() ? line + VerdictText(what) + "\n" : line;
}

std::string KillStory::Tell(const v1::TargetProgress& progress) {
  const auto target = static_cast<size_t>(progress.target());
  if (progress.target() < 0 || target >= targets_.size() || outcomes_[target].done()) return "";
  const bool kill_was_sent = outcomes_[target].kill_sent();
  outcomes_[target] = progress;
  if (progress.phase() == v1::KILL_PHASE_KILL_SENT) {
    outcomes_[target].set_kill_sent(true);
    kill_sent_after_[target] = FromProto(progress.took());
  } else if (kill_was_sent) {
    outcomes_[target].set_kill_sent(true);
  }
  if (targets_.size() > 1) return progress.done() ? Line(target) : "";
  if (!progress.done() && (progress.phase() == v1::KILL_PHASE_DISPATCHED ||
                           progress.phase() == v1::KILL_PHASE_WAITING)) {
    return "";
  }
  const std::string line = Line(target);
  // Each step continues the line; should it not, it starts a new one.
  const bool continues = line.compare(0, begun_.size(), begun_) == 0;
  std::string text = continues ? line.substr(begun_.size()) : Break() + line;
  begun_ = progress.done() ? "" : line;
  return text;
}

std::string KillStory::Break() {
  if (begun_.empty()) return "";
  begun_.clear();
  return "\n";
}

bool KillStory::AllDone() const {
  return std::all_of(outcomes_.begin(), outcomes_.end(), [](const auto& o) { return o.done(); });
}

bool KillStory::Begun() const {
  return std::any_of(outcomes_.begin(), outcomes_.end(),
                     [](const auto& o) { return o.phase() != v1::KILL_PHASE_UNSPECIFIED; });
}

std::string KillStory::Summary() const {
  int stopped = 0;
  int gone = 0;
  int other = 0;
  int failed = 0;
  int open = 0;
  int cancelled = 0;
  for (const v1::TargetProgress& outcome : outcomes_) {
    if (!outcome.done()) {
      ++open;
    } else if (outcome.phase() == v1::KILL_PHASE_CANCELLED) {
      ++cancelled;
    } else if (outcome.verdict() == v1::VERDICT_GONE_ALREADY) {
      ++gone;
    } else if (ExitCodeFor(outcome) == ExitCode::kOk) {
      ++stopped;
    } else if (outcome.verdict() == v1::VERDICT_IDENTITY_MISMATCH) {
      ++other;
    } else {
      ++failed;
    }
  }
  std::string text = fmt::format("{} stopped", stopped);
  if (gone > 0) text += fmt::format(", {} gone already", gone);
  if (other > 0) text += fmt::format(", {} no longer the same", other);
  if (open > 0) text += fmt::format(", {} under way", open);
  if (cancelled > 0) text += fmt::format(", {} never sent", cancelled);
  return text + fmt::format(", {} failed.\n", failed);
}

}  // namespace procctl::cli
