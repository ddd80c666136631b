#include "node/os/known_tree.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "node/os/process_ref.h"

namespace procctl::node {
namespace {

constexpr Nanos kBelieved = std::chrono::milliseconds(1500);

}  // namespace

void KnownTree::Add(const ProcessIdentity& process) { known_.try_emplace(process); }

void KnownTree::AddSession(const ProcessIdentity& leader) { sessions_[leader.pid] = MonoNow(); }

void KnownTree::Clear() {
  known_.clear();
  sessions_.clear();
}

absl::Status KnownTree::Look() {
  const auto pids = TryAllProcesses();
  if (!pids.ok()) return pids.status();
  std::vector<std::pair<ProcessIdentity, ProcStat>> living;
  const MonoTime now = MonoNow();
  std::set<int32_t> sessions;
  for (const auto& [session, at] : sessions_) {
    if (now - at <= kBelieved) sessions.insert(session);
  }
  for (const int32_t pid : *pids) {
    auto stat = TryReadStat(pid);
    if (absl::IsResourceExhausted(stat.status())) return stat.status();
    if (!stat.ok()) continue;
    const ProcessIdentity identity{pid, stat->start_ticks};
    // One that was not reaped yet still holds its numbers.
    if (known_.contains(identity)) sessions.insert(stat->session);
    if (HasEnded(*stat)) continue;
    living.emplace_back(identity, *std::move(stat));
  }
  // Nobody who was started by us is in ours.
  sessions.erase(getsid(0));
  std::map<ProcessIdentity, Facts> known;
  sessions_.clear();
  for (auto& [identity, stat] : living) {
    if (!known_.contains(identity) && !sessions.contains(stat.session)) continue;
    known[identity] = {std::move(stat.comm), stat.group};
    sessions_[stat.session] = now;
  }
  known_ = std::move(known);
  return absl::OkStatus();
}

bool KnownTree::AnyLeft() const {
  return std::any_of(known_.begin(), known_.end(), [](const auto& entry) {
    const auto stat = TryReadStat(entry.first.pid);
    if (!stat.ok()) return absl::IsResourceExhausted(stat.status());
    return stat->start_ticks == entry.first.start_ticks && !HasEnded(*stat);
  });
}

std::vector<TreeMember> KnownTree::members() const {
  std::vector<TreeMember> members;
  for (const ProcessIdentity& identity : identities())
    members.push_back({identity.pid, known_.at(identity).comm});
  return members;
}

std::vector<ProcessIdentity> KnownTree::identities() const {
  std::vector<ProcessIdentity> identities;
  for (const auto& [identity, facts] : known_) identities.push_back(identity);
  std::stable_sort(identities.begin(), identities.end(),
                   [](const ProcessIdentity& a, const ProcessIdentity& b) {
                     return a.start_ticks < b.start_ticks;
                   });
  return identities;
}

bool KnownTree::Knows(int32_t pid) const {
  const auto at = known_.lower_bound({pid, 0});
  return at != known_.end() && at->first.pid == pid;
}

int KnownTree::Signal(int signal, int32_t but_group) const {
  int signalled = 0;
  for (const auto& [identity, facts] : known_) {
    if (but_group != 0 && facts.group == but_group) continue;
    auto process = ProcessRef::Open(identity.pid);
    if (!process.ok() || process->identity() != identity) continue;
    if (process->Signal(signal).sent == Target::Sent::kYes) ++signalled;
  }
  return signalled;
}

}  // namespace procctl::node
