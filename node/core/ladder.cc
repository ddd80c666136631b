#include "node/core/ladder.h"

namespace procctl::node {

LadderStep Ladder::Due(MonoTime now) const {
  switch (stage_) {
    case Stage::kDue:
      return LadderStep::kSendTerm;
    case Stage::kTermSent:
      return Passed(grace_, now) ? LadderStep::kSendKill : LadderStep::kNone;
    case Stage::kKillSent:
      return Passed(kKillPatience, now) ? LadderStep::kDeclareUnkillable : LadderStep::kNone;
    case Stage::kUnkillable:
      return Passed(kRetryEvery, now) ? LadderStep::kSendKill : LadderStep::kNone;
  }
  return LadderStep::kNone;
}

void Ladder::Enter(Stage stage, MonoTime now) {
  stage_ = stage;
  waited_ = Nanos(0);
  entered_ = now;
}

void Ladder::TermSent(MonoTime now) {
  Enter(Stage::kTermSent, now);
  first_signal_ = now;
}

void Ladder::KillSent(MonoTime now) {
  // A retry does not make an unkillable target killable: it stays what it is until it is gone.
  Enter(stage_ == Stage::kUnkillable ? Stage::kUnkillable : Stage::kKillSent, now);
}

void Ladder::DeclaredUnkillable(MonoTime now) { Enter(Stage::kUnkillable, now); }

v1::Verdict Ladder::EndVerdict() const {
  switch (stage_) {
    case Stage::kDue:
      return v1::VERDICT_GONE_ALREADY;
    case Stage::kTermSent:
      return v1::VERDICT_EXITED_ON_TERM;
    case Stage::kKillSent:
    case Stage::kUnkillable:
      return v1::VERDICT_KILLED;
  }
  return v1::VERDICT_UNSPECIFIED;
}

}  // namespace procctl::node
