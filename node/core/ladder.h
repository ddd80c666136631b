// The ladder of one target: SIGTERM, grace, SIGKILL. Decides what is due; the shell sends and
// reports back.
//
//   kDue --TermSent()--> kTermSent --grace--> KillSent() --> kKillSent --10 s--> kUnkillable --60
//   s--> KillSent()
//    |                      |                                   |                     |
//    +----------------------+------------ process gone ---------+---------------------+-->
//    EndVerdict()
//
// Grace, the ten seconds and the sixty are observed time: they grow only by what ScanGuard credits,
// so a guardian that slept does not cut anybody's grace short. Each must also have passed on the
// clock since the signal itself.
#pragma once

#include "node/core/mono_time.h"
#include "procctl/v1/event.pb.h"

namespace procctl::node {

enum class LadderStep { kNone, kSendTerm, kSendKill, kDeclareUnkillable };

class Ladder {
 public:
  // How long SIGKILL may take before the target counts as unkillable, and how often it is tried
  // again then.
  static constexpr Nanos kKillPatience = std::chrono::seconds(10);
  static constexpr Nanos kRetryEvery = std::chrono::seconds(60);

  enum class Stage { kDue, kTermSent, kKillSent, kUnkillable };

  explicit Ladder(Nanos grace) : grace_(grace) {}

  // Time that passed under the guardian's eyes. Call once per scan that may judge.
  void Observe(Nanos credited) { waited_ += credited; }

  // What is due now. The same answer until the shell reports that it was done.
  LadderStep Due(MonoTime now) const;

  void TermSent(MonoTime now);
  void KillSent(MonoTime now);
  void DeclaredUnkillable(MonoTime now);
  // Goes on where an earlier guardian ended. The stage's own time begins anew: what passed while
  // nobody looked is not held against the process.
  void Resume(Stage stage, MonoTime first_signal, MonoTime now) {
    Enter(stage, now);
    first_signal_ = first_signal;
  }

  // How the kill ended, if the process is gone now.
  v1::Verdict EndVerdict() const;

  Stage stage() const { return stage_; }
  bool term_sent() const { return stage_ != Stage::kDue; }
  bool kill_sent() const { return stage_ == Stage::kKillSent || stage_ == Stage::kUnkillable; }
  // When the first signal was sent. Only after TermSent.
  MonoTime first_signal() const { return first_signal_; }
  Nanos grace() const { return grace_; }

 private:
  void Enter(Stage stage, MonoTime now);
  bool Passed(Nanos limit, MonoTime now) const {
    return waited_ >= limit && now - entered_ >= limit;
  }

  Nanos grace_;
  Stage stage_ = Stage::kDue;
  Nanos waited_{0};
  MonoTime entered_;
  MonoTime first_signal_;
};

}  // namespace procctl::node
