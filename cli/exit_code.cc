#include "cli/exit_code.h"

#include <algorithm>

namespace procctl::cli {
namespace {

ExitCode ForRefusal(v1::Refusal refusal) {
  switch (refusal) {
    case v1::REFUSAL_NODE_UNREACHABLE:
      return ExitCode::kUnreachable;
    case v1::REFUSAL_NO_SUCH_NODE:
      return ExitCode::kNothingMatched;
    default:  // every other reason, also one of a newer controller, is a failure
      return ExitCode::kFailed;
  }
}

// Of an order that is done, or ended in a verdict that says why not.
template <typename Outcome>
ExitCode ForOutcome(const Outcome& outcome) {
  if (outcome.done()) return ExitCode::kOk;
  switch (outcome.verdict()) {
    case v1::VERDICT_GONE_ALREADY:
      return ExitCode::kNothingMatched;
    case v1::VERDICT_IDENTITY_MISMATCH:
      return ExitCode::kNotTheSame;
    case v1::VERDICT_REFUSED:
      return ForRefusal(outcome.refusal());
    case v1::VERDICT_UNSPECIFIED:  // no answer came
    case v1::VERDICT_EXPIRED:
      return ExitCode::kUnreachable;
    default:
      return ExitCode::kFailed;
  }
}

}  // namespace

ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNothingMatched;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kNotAllowed;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    default:  // the open set of everything else
      return ExitCode::kFailed;
  }
}

ExitCode ExitCodeFor(const v1::TargetProgress& progress) {
  if (progress.phase() == v1::KILL_PHASE_UNRESOLVED) return ExitCode::kUnreachable;
  switch (progress.verdict()) {
    case v1::VERDICT_GONE_ALREADY:
    case v1::VERDICT_EXITED_ON_TERM:
    case v1::VERDICT_KILLED:
      return ExitCode::kOk;
    case v1::VERDICT_IDENTITY_MISMATCH:
      return ExitCode::kNotTheSame;
    case v1::VERDICT_REFUSED:
      return ForRefusal(progress.refusal());
    case v1::VERDICT_EXPIRED:
      return ExitCode::kUnreachable;
    default:  // UNKILLABLE, HELD, RECOVERED, UNKNOWN_AFTER_CRASH, and whatever a newer one says
      return ExitCode::kFailed;
  }
}

ExitCode ExitCodeFor(const v1::HoldOutcome& outcome) { return ForOutcome(outcome); }

ExitCode ExitCodeFor(const v1::ProgramOutcome& outcome) { return ForOutcome(outcome); }

ExitCode Combine(const std::vector<ExitCode>& targets) {
  if (targets.empty()) return ExitCode::kFailed;
  const ExitCode first = targets.front();
  if (std::all_of(targets.begin(), targets.end(), [&](ExitCode c) { return c == first; })) {
    return first;
  }
  const bool any_done = std::find(targets.begin(), targets.end(), ExitCode::kOk) != targets.end();
  return any_done ? ExitCode::kPartly : ExitCode::kFailed;
}

}  // namespace procctl::cli
