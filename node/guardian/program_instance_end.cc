// How an instance ends: how its main process ended, and then all that it left behind.
#include <signal.h>

#include <set>
#include <utility>

#include "node/guardian/program_instance.h"
#include "node/os/clock.h"
#include "node/os/program_tree.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// How long the parent of a process that is not our child may take to reap it.
constexpr Nanos kReapPatience = std::chrono::seconds(1);
// SIGKILL to a tree is repeated: whoever forked in that moment is met by the next.
constexpr Nanos kKillAgain = std::chrono::seconds(1);
constexpr Nanos kUnkillable = std::chrono::seconds(10);
constexpr Nanos kLookAtTreeEvery = std::chrono::seconds(1);
constexpr size_t kMostNamed = 16;

std::string Names(const std::vector<TreeMember>& members) {
  std::string names;
  for (size_t i = 0; i < members.size() && i < kMostNamed; ++i) {
    names +=
        fmt::format("{}{} (pid {})", i == 0 ? "" : ", ", Escape(members[i].comm), members[i].pid);
  }
  if (members.size() > kMostNamed)
    names += fmt::format(" and {} more", members.size() - kMostNamed);
  return names.empty() ? "processes that are not shown" : names;
}

}  // namespace

void ProgramInstance::OnEnding(const Process& process) {
  const v1::Cause kill_cause = process.kill != nullptr && process.kill->ladder.term_sent()
                                   ? process.kill->subject.cause()
                                   : v1::CAUSE_UNSPECIFIED;
  last_kill_.Clear();
  if (kill_cause != v1::CAUSE_UNSPECIFIED) last_kill_ = process.kill->subject;
  const MonoTime now = MonoNow();
  kill_tree_at_ = now + life_->spec().grace;
  if (process.kill != nullptr && process.kill->ladder.term_sent())
    kill_tree_at_ = process.kill->ladder.first_signal() + process.kill->ladder.grace();
  if (held_) OnOutcome();
  if (held_) {
    parts_->poller->Remove(std::exchange(outcome_watch_, 0));
    held_.reset();
  }
  // What it said last counts: the word may have been on its way. It may have been that another
  // process is the main one.
  ending_ = true;
  if (notify_.ok()) OnNotify();
  if (claim_) {
    next_claim_ = MonoTime();
    FollowClaim(now);
  }
  ending_ = false;
  if (!IsMain(process.identity())) return;
  taking_up_.reset();
  claim_.reset();
  // Its numbers are its own until it is reaped; what they lead to is asked now where that is not
  // known afterwards.
  if (!cgroup_ && process_ && !KernelSignalsGroups()) tree_.AddSession(process_->identity());
  if (!cgroup_ && !tree_.empty()) (void)LookAtTree(now);
  const EndStatus end = process_ ? ReapOwnChild(*process_) : EndStatus{};
  if (!end.known && end.may_follow) {
    late_ = Late{kill_cause, now + kReapPatience};
    return;
  }
  Finish(end, kill_cause);
}

void ProgramInstance::Finish(const EndStatus& end, v1::Cause kill_cause) {
  const ProgramTime now = ProgramNow();
  late_.reset();
  if (adopted_ && !life_->passed() && !MarkSaysPassed()) {
    life_->NeverPassed(now);
    PutOnRecord();
    parts_->look_soon();
    return;
  }
  ProgramEnd what;
  what.status_known = end.known;
  what.exit_code = end.exit_code;
  what.signal = end.signal;
  what.core_dumped = end.core_dumped;
  what.cpu = end.cpu;
  what.max_resident = end.max_resident;
  what.oom_kills = cgroup_ ? cgroup_->OomKills() - oom_kills_before_ : 0;
  if (kill_cause != v1::CAUSE_UNSPECIFIED) {
    what.cause = kill_cause;
  } else if (!start_error_.empty()) {
    what.cause = v1::CAUSE_START_FAILED;
  } else if (!end.known) {
    what.cause = v1::CAUSE_UNKNOWN;
  } else if (end.signal == 0) {
    what.cause = v1::CAUSE_EXIT;
  } else {
    const bool oom =
        end.signal == SIGKILL && (parts_->oom->TakeVictim(last_.pid) || what.oom_kills > 0);
    what.cause = oom ? v1::CAUSE_OOM : v1::CAUSE_SIGNAL;
  }
  // Before its end is told: whoever takes over learns of both or neither.
  const bool empty = TreeEmpty(now.mono);
  if (adopted_ && !process_ && !cgroup_) TellUnproven();
  life_->Ended(now, what, start_error_, parts_->random());
  // At once: whatever else is committed before the next look would keep the one without the other,
  // and the next guardian would tell this end again, or never.
  PutOnRecord();
  parts_->ask_last_words(life_->label(), life_->run(), last_kill_.kill());
  if (empty) {
    life_->TreeGone(now);
  } else {
    sweeping_ = true;
    parts_->journal->Commit();
    // Nobody has asked the rest of it yet.
    SignalTree(life_->spec().stop_signal);
    SignalTree(SIGCONT);
  }
  parts_->look_soon();
}

bool ProgramInstance::LookAtTree(MonoTime now) {
  look_at_tree_ = now + kLookAtTreeEvery;
  const std::vector<ProcessIdentity> before = tree_.identities();
  if (!tree_.Look().ok()) return false;
  if (tree_.identities() != before) {
    life_->RowMoved();
    parts_->look_soon();
  }
  return true;
}

bool ProgramInstance::TreeEmpty(MonoTime now) {
  if (cgroup_) return !cgroup_->Populated();
  // A group that is empty takes no signal. Whoever left it is known by name, or found as an orphan.
  const bool group = process_ && SignalGroup(*process_, 0).sent == Target::Sent::kYes;
  // As long as it has members its number is its own.
  if (group && tree_.empty()) tree_.AddSession(process_->identity());
  if (!group && tree_.empty()) return true;
  if ((now >= look_at_tree_ || (!group && !tree_.AnyLeft())) && !LookAtTree(now)) return false;
  return !group && tree_.empty();
}

void ProgramInstance::SignalTree(int signal) {
  if (cgroup_ && signal != SIGKILL) {
    (void)cgroup_->Signal(signal);
  } else if (cgroup_) {
    if (absl::Status s = cgroup_->Kill(); !s.ok())
      spdlog::error("{}: its cgroup cannot be killed: {}", life_->label(),
                    std::string(s.message()));
  } else {
    const bool group = process_ && SignalGroup(*process_, signal).sent == Target::Sent::kYes;
    (void)tree_.Signal(signal, group ? process_->identity().pid : 0);
  }
}

std::string ProgramInstance::NamesOfTree() const {
  return Names(cgroup_ ? cgroup_->Members() : tree_.members());
}

void ProgramInstance::TellUnproven() {
  std::vector<TreeMember> members = SessionMembers(last_);
  std::erase_if(members, [this](const TreeMember& member) { return tree_.Knows(member.pid); });
  if (members.empty()) return;
  TellLeftovers(
      v1::SEVERITY_WARNING,
      fmt::format("{} pid {} ended while no guardian ran, and may have left behind {}: not "
                  "stopped, because without cgroup v2 nobody can say whose that is",
                  life_->label(), last_.pid, Names(members)));
}

void ProgramInstance::TellLeftovers(v1::Severity severity, const std::string& what) {
  v1::Event event = Subject();
  event.set_kind(v1::EVENT_KIND_PROGRAM_LEFTOVERS);
  event.set_severity(severity);
  event.set_message(what);
  parts_->log->Record(std::move(event));
}

void ProgramInstance::Tend(MonoTime now) {
  // Its gate was opened right before the guardian of that time was killed: it may leave its mark
  // only now.
  if (adopted_ && life_->has_process() && !life_->passed() && MarkSaysPassed()) {
    life_->Passed();
    life_->Ready(ProgramNow());
    parts_->look_soon();
  }
  if (taking_up_) TakeUpMain();
  if (deaf_) HearAgain();
  if (claim_) FollowClaim(now);
  if (late_) {
    const EndStatus end = ReapOwnChild(*process_);
    if (end.known || now >= late_->until) Finish(end, late_->kill_cause);
  }
  if (!sweeping_) return;
  if (TreeEmpty(now)) {
    sweeping_ = false;
    life_->TreeGone(ProgramNow());
    parts_->look_soon();
    return;
  }
  if (now < kill_tree_at_) return;
  if (!swept_hard_) {
    TellLeftovers(v1::SEVERITY_WARNING,
                  fmt::format("{} left behind {}: still there after its grace of {}; SIGKILL",
                              life_->label(), NamesOfTree(), FormatDuration(life_->spec().grace)));
  } else if (!told_unkillable_ && now >= kill_tree_at_ + kUnkillable) {
    told_unkillable_ = true;
    TellLeftovers(v1::SEVERITY_ALARM,
                  fmt::format("{} is not started again while {} does not end on SIGKILL",
                              life_->label(), NamesOfTree()));
  }
  SignalTree(SIGKILL);
  if (!swept_hard_) {
    swept_hard_ = true;
  } else {
    kill_tree_at_ = told_unkillable_ ? now + kKillAgain : kill_tree_at_;
  }
}

}  // namespace procctl::node
