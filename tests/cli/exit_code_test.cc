#include "cli/exit_code.h"

#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

ExitCode ForVerdict(v1::Verdict verdict, v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED) {
  v1::TargetProgress progress;
  progress.set_phase(v1::KILL_PHASE_DONE);
  progress.set_done(true);
  progress.set_verdict(verdict);
  progress.set_refusal(refusal);
  return ExitCodeFor(progress);
}

TEST(ExitCode, OfACallSaysWhatTheCallerCanDo) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), ExitCode::kNothingMatched);
  EXPECT_EQ(ExitCodeFor(absl::UnauthenticatedError("")), ExitCode::kNotAllowed);
  EXPECT_EQ(ExitCodeFor(absl::PermissionDeniedError("")), ExitCode::kNotAllowed);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeFor(absl::DeadlineExceededError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeFor(absl::InternalError("")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeFor(absl::AlreadyExistsError("")), ExitCode::kFailed);
}

TEST(ExitCode, OfATargetThatIsGoneIsZero) {
  EXPECT_EQ(ForVerdict(v1::VERDICT_EXITED_ON_TERM), ExitCode::kOk);
  EXPECT_EQ(ForVerdict(v1::VERDICT_KILLED), ExitCode::kOk);
  EXPECT_EQ(ForVerdict(v1::VERDICT_GONE_ALREADY), ExitCode::kOk);
}

TEST(ExitCode, OfAnotherProcessThanTheOneSeenIsSix) {
  EXPECT_EQ(ForVerdict(v1::VERDICT_IDENTITY_MISMATCH), ExitCode::kNotTheSame);
  EXPECT_EQ(static_cast<int>(ExitCode::kNotTheSame), 6);
}

TEST(ExitCode, OfARefusalDependsOnItsReason) {
  EXPECT_EQ(ForVerdict(v1::VERDICT_REFUSED, v1::REFUSAL_NODE_UNREACHABLE), ExitCode::kUnreachable);
  EXPECT_EQ(ForVerdict(v1::VERDICT_REFUSED, v1::REFUSAL_NO_SUCH_NODE), ExitCode::kNothingMatched);
  EXPECT_EQ(ForVerdict(v1::VERDICT_REFUSED, v1::REFUSAL_PROTECTED), ExitCode::kFailed);
  EXPECT_EQ(ForVerdict(v1::VERDICT_REFUSED), ExitCode::kFailed);
}

TEST(ExitCode, OfEveryOtherVerdictIsNeverZero) {
  for (const auto verdict :
       {v1::VERDICT_UNSPECIFIED, v1::VERDICT_UNKILLABLE, v1::VERDICT_HELD, v1::VERDICT_RECOVERED,
        v1::VERDICT_UNKNOWN_AFTER_CRASH, static_cast<v1::Verdict>(99)}) {
    EXPECT_EQ(ForVerdict(verdict), ExitCode::kFailed) << verdict;
  }
  EXPECT_EQ(ForVerdict(v1::VERDICT_EXPIRED), ExitCode::kUnreachable);
}

TEST(ExitCode, OfATargetWithoutAVerdictIsUnreachable) {
  v1::TargetProgress progress;
  progress.set_phase(v1::KILL_PHASE_UNRESOLVED);
  EXPECT_EQ(ExitCodeFor(progress), ExitCode::kUnreachable);
}

TEST(Combine, IsTheCommonCode) {
  for (const ExitCode code : {ExitCode::kOk, ExitCode::kNotTheSame, ExitCode::kUnreachable}) {
    EXPECT_EQ(Combine({code}), code);
    EXPECT_EQ(Combine({code, code, code}), code);
  }
}

TEST(Combine, IsPartlyWhenSomeAreDoneAndSomeAreNot) {
  EXPECT_EQ(Combine({ExitCode::kOk, ExitCode::kNotTheSame}), ExitCode::kPartly);
  EXPECT_EQ(Combine({ExitCode::kUnreachable, ExitCode::kOk, ExitCode::kFailed}), ExitCode::kPartly);
}

TEST(Combine, IsFailedWhenNoneIsDoneForDifferentReasons) {
  EXPECT_EQ(Combine({ExitCode::kNotTheSame, ExitCode::kUnreachable}), ExitCode::kFailed);
  EXPECT_EQ(Combine({}), ExitCode::kFailed);
}

TEST(ExitCode, OfAHold) {
  v1::HoldOutcome outcome;
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kUnreachable);  // no answer came
  outcome.set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kNotTheSame);
  outcome.set_verdict(v1::VERDICT_REFUSED);
  outcome.set_refusal(v1::REFUSAL_NO_SUCH_NODE);
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kNothingMatched);
  outcome.set_done(true);
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kOk);
}

TEST(ExitCode, OfAnOrderAboutAProgram) {
  v1::ProgramOutcome outcome;
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kUnreachable);  // no answer came
  outcome.set_verdict(v1::VERDICT_HELD);
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kFailed);
  outcome.set_done(true);
  EXPECT_EQ(ExitCodeFor(outcome), ExitCode::kOk);
}

}  // namespace
}  // namespace procctl::cli
