// MAINPID: another process of an instance is its main process from now on.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "node/guardian/program_instance.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "node/os/program_tree.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// A program cannot make more of these, and of their events, than one a second.
constexpr Nanos kClaimEvery = std::chrono::seconds(1);
// What cannot be done for want of descriptors is tried again for so long.
constexpr Nanos kClaimPatience = std::chrono::seconds(30);

}  // namespace

void ProgramInstance::Claim(int32_t pid, const ucred& sender) {
  claim_.reset();
  if (pid == last_.pid) return;
  const MonoTime now = MonoNow();
  claim_ = MainClaim{pid, sender, now + kClaimPatience};
  FollowClaim(now);
}

void ProgramInstance::FollowClaim(MonoTime now) {
  if (now < next_claim_) return;
  const MainClaim claim = *std::exchange(claim_, std::nullopt);
  const auto ignore = [&](const std::string& why) {
    Complain(&said_main_, fmt::format("MAINPID={} is ignored: {}; pid {} goes on being watched",
                                      claim.pid, why, last_.pid));
  };
  const Slot* own = slot();
  if (own == nullptr) return ignore("its process is not taken up yet");
  // What is being stopped is stopped; what is left of its tree follows.
  if (own->process->kill != nullptr && own->process->kill->ladder.term_sent())
    return ignore("it is being stopped");
  auto process = ProcessRef::Open(claim.pid);
  if (absl::IsNotFound(process.status())) return ignore("there is no such process");
  absl::Status changed = process.status();
  if (process.ok()) {
    const std::string why = WhyNotMain(*process, claim.sender);
    if (!why.empty()) return ignore(why);
    changed = ChangeMain(*std::move(process));
  }
  if (changed.ok()) {
    next_claim_ = now + kClaimEvery;
  } else if (now < claim.until) {
    claim_ = claim;
  } else {
    ignore(std::string(changed.message()));
  }
}

std::string ProgramInstance::WhyNotMain(const ProcessRef& process, const ucred& sender) {
  const int32_t pid = process.identity().pid;
  if (pid <= 1 || pid == getpid() || parts_->is_of_others(*this, pid))
    return "that process is none of this program";
  if (cgroup_) {
    const auto members = cgroup_->Members();
    // Asked after it was held: whoever has the number now is the one that is held.
    const bool in = std::any_of(members.begin(), members.end(),
                                [pid](const TreeMember& member) { return member.pid == pid; });
    return in && process.Alive() ? "" : "that process is not in its cgroup";
  }
  switch (KinshipOf(process, last_)) {
    case Kinship::kDescends:
      return "";
    case Kinship::kNone:
      // The main process may have changed before, and this one be of the old one.
      if (!tree_.empty() && LookAtTree(MonoNow()) && tree_.Knows(pid) && process.Alive()) return "";
      return "that process does not descend from it";
    case Kinship::kOrphan:
      break;
  }
  // It descends from some program of ours, and from none of the others as far as anybody knows. The
  // main process says that it is its own, and gains no power by it: it may signal that one anyway.
  if (process.identity().start_ticks < last_.start_ticks) return "that process is older than it";
  const auto status = ReadStatus(pid);
  if (!process.Alive() || !status || (sender.uid != 0 && status->uid != sender.uid))
    return "that process is of another user";
  return "";
}

absl::Status ProgramInstance::ChangeMain(ProcessRef process) {
  Slot* own = slot();
  Process& before = *own->process;
  const ProcessIdentity old_main = last_;
  std::optional<ProcessRef> old_handle = std::exchange(process_, std::move(process));
  const auto row = AddProcess(life_->run());
  if (!row.ok()) {
    process_ = std::move(old_handle);
    return row.status();
  }
  HeartTerms terms = own->terms;
  // What was left of its time to start is left.
  const HeartCell& cell = parts_->table->cell(*own);
  terms.start_grace = Nanos(0);
  if (cell.mode == HeartMode::kStarting) {
    terms.start_grace = std::max<Nanos>(
        std::chrono::milliseconds(cell.special_limit) - Nanos(cell.silence), Nanos(1));
  }
  const std::optional<OperatorHold> hold = own->hold;
  if (before.kill != nullptr && !ending_) {
    // Due and not begun: what it was for has no slot any more.
    parts_->enforcer->OnClosed(*own);
  } else {
    parts_->table->RemoveSlot(*own);
    // One that has ended is about to be forgotten with all it had.
    if (!ending_) {
      before.program.clear();
      before.run.clear();
      parts_->table->Changed(before);
      parts_->table->Settle(before);
    }
  }
  // Its cell and its label are free just now.
  const auto added = AddSlot(*row, terms);
  if (!added.ok()) return added.status();
  if (hold) {
    parts_->table->SetHold(**added, hold);
    parts_->enforcer->ResumeHold(**added);
  }
  last_ = process_->identity();
  if (!cgroup_) {
    tree_.Add(old_main);
    tree_.Add(last_);
    (void)LookAtTree(MonoNow());
  }
  resident_ = 0;
  life_->MainChanged(parts_->table->IncarnationOf(**added));
  // Whoever takes over finds this process, and not the old one.
  PutOnRecord();
  parts_->journal->Commit();
  parts_->look_soon();
  return absl::OkStatus();
}

}  // namespace procctl::node
