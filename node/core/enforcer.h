// The scan and the ladders: reads every heart, judges, withholds, signals. Nothing here waits for
// anything.
//
// The way to the first signal is a row of gates, asked anew each time from the ground: has it
// recovered; does an operator hold it; may this process be signalled at all (identity, deny list,
// debugger, frozen, mode); do the brakes grant it; is the evidence there; and once more, right
// before the signal: has it recovered. The first gate that says no withholds the signal, visibly.
// What an operator ordered passes the brakes and waits for no evidence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/core/brake.h"
#include "node/core/event_limiter.h"
#include "node/core/lag_log.h"
#include "node/core/may_signal.h"
#include "node/core/scan_guard.h"
#include "node/core/seams.h"
#include "node/core/table.h"
#include "node/core/watch.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::node {

struct EnforcerSettings {
  SignalPolicy policy;
  BrakePolicy brakes;
  WatchRules watch;
  // Nothing below it is suggested as a timeout.
  Nanos min_timeout = std::chrono::milliseconds(500);
};

// Everything outlives the enforcer.
struct EnforcerWorld {
  const Clocks* clocks = nullptr;
  EventSink* events = nullptr;
  Journal* journal = nullptr;
  EvidenceSource* evidence = nullptr;
  // Brings the page of a slot up to date where that is a copy (classic rows). May be empty.
  std::function<void(const Slot&)> refresh;
  // The process has ended; its slots and its kill are still there. May be empty.
  std::function<void(const Process&)> ending;
};

class Enforcer {
 public:
  Enforcer(Table* table, EnforcerWorld world, EnforcerSettings settings, int64_t first_kill);

  // One scan. The caller has drained the sockets and reaped the exits before.
  void Scan();

  // True while no scan can find anything: no slot has a heart to look at, no kill is under way and
  // nobody holds anything.
  bool AtRest() const { return table_->hearts() == 0 && kills_.empty() && holds_.empty(); }
  // Scans come this far apart from now on. Longer than the configured interval only while AtRest.
  void Pace(Nanos interval) { guard_.Pace(interval, Now()); }

  // Starts a kill for an order, or joins the one under way. The order has been checked; it ends as
  // a VERDICT event in any case, perhaps before this returns.
  void Execute(Slot& slot, OrderRef order, Nanos grace);

  // The node's own decision to stop a program: STOP, CONFIG, SCHEDULE, LIMIT, or OPERATOR for an
  // order about the program, whose issuer and reason are then told. Joins a kill that is under way,
  // whose cause stays. Asks no brake and waits for no evidence.
  void Stop(Slot& slot, v1::Cause cause, Nanos grace, const OrderRef& by);

  // An operator's hold, or its release; each ends in its event.
  void PlaceHold(Slot& slot, const OrderRef& order, Nanos hold_for,
                 std::chrono::system_clock::time_point wall_now);
  void ReleaseHold(Slot& slot, const OrderRef& order);

  // Answer to EvidenceSource::Ask.
  void OnEvidence(int64_t kill, v1::Evidence evidence);

  // The pidfd says that the process has ended.
  void OnExit(Process& process);

  // A process gives a slot back by itself (page closed, classic row cleared). While its ladder runs
  // the slot stays: many programs close their hearts on SIGTERM and hang afterwards.
  void OnClosed(Slot& slot);

  // Records a VERDICT for an order that never became a kill.
  void EndOrder(const OrderRef& order, v1::Event subject, v1::Verdict verdict, v1::Refusal refusal,
                std::string message, v1::HeldBy held_by = v1::HELD_BY_UNSPECIFIED);

  // Of a guardian that takes over, before the first scan. The process is in the table with its
  // slots.
  void ResumeKill(Process& process, const v1::KillRecord& record);
  void ResumeHold(const Slot& slot) { holds_.insert(slot.generation); }
  void ResumeBrakes(const v1::BrakeRecord& record) { brake_.Restore(record); }
  // A kill of an earlier guardian whose process has ended meanwhile, or cannot be guarded any more.
  void EndLostKill(const v1::KillRecord& record, v1::Verdict verdict, const std::string& message);

  v1::Event SubjectOf(const Slot& slot) const;
  v1::SlotDetail DetailOf(const Slot& slot) const;
  // Lag, brakes and counts.
  void FillDetail(v1::NodeDetail* detail) const;
  v1::BrakeRecord BrakeRecord() const { return brake_.Record(clocks_->Read().mono); }
  int64_t next_kill() const { return next_kill_; }
  void NumberFrom(int64_t kill) { next_kill_ = std::max(next_kill_, kill); }

 private:
  struct Withheld {
    v1::HeldBy by = v1::HELD_BY_UNSPECIFIED;
    v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED;
    std::string reason;
  };

  void RecordGap(const ScanVerdict& scan);
  void EndHolds(Nanos since_boot);
  void ReportFindings(MonoTime now);
  void ObserveSilence(MonoTime now);

  // A heart that is only observed must not stand before `slot` of the same process that is not: its
  // kill ends, and true.
  bool DropIfShadows(Process& process, const Slot& slot);
  void StartKill(Slot& slot, v1::Cause cause, Nanos grace, std::optional<OrderRef> order,
                 const OrderRef& by = {});
  // Does what is due for one kill. May remove the process.
  void Step(Process& process);
  // True if the next signal may go out now. Otherwise the kill waits, is held, or has ended here.
  bool PassGates(Process& process, MonoTime now);
  std::optional<Withheld> AskOperatorHold(const Process& process) const;
  bool AskBrakes(Process& process, MonoTime now);
  // A grant that led to no signal: used later it would be one more than the brakes allow by then.
  // True if there was one.
  bool GiveBack(Kill& kill, MonoTime now);
  bool AskEvidence(Process& process);
  // True if what made it due does not hold any more.
  bool Recovered(const Process& process);

  // A signal is withheld. Orders that wait for the first one get that as their answer.
  void Withhold(Process& process, Withheld why, MonoTime now);
  void LiftHold(Process& process);
  void SendTerm(Process& process);
  void SendKill(Process& process);
  // False if the signal did not go out; the kill was held or ended.
  bool Send(Process& process, int signal);

  // Records the verdict for the kill and for every order that waits for it.
  void RecordVerdict(const Kill& kill, v1::Verdict verdict, v1::Refusal refusal,
                     const std::string& message);
  // The kill is over but the process stays guarded.
  void Drop(Process& process, v1::Verdict verdict, v1::Refusal refusal, const std::string& message);
  void RecordProgress(const Kill& kill, v1::EventKind kind, const std::string& message);
  // Of a signal that an earlier guardian was about to send.
  void RecordCounted(const Kill& kill, const v1::KillRecord& record);
  v1::Event VerdictOf(const Kill& kill, v1::Verdict verdict, v1::Refusal refusal,
                      const std::string& message) const;
  void Forget(const Kill& kill, const ProcessIdentity& identity);
  void Write(const Process& process, bool intent);
  void WriteBrakes(MonoTime now);
  Slot* SlotOf(const Kill& kill);
  EvidenceSubject KnownEvidence(const Process& process) const;
  MonoTime Now() const { return clocks_->Read().mono; }

  Table* table_;
  const Clocks* clocks_;
  EventSink* events_;
  Journal* journal_;
  EvidenceSource* evidence_;
  std::function<void(const Slot&)> refresh_;
  std::function<void(const Process&)> ending_;
  SignalPolicy policy_;
  Nanos min_timeout_;
  WatchRules watch_rules_;
  Watch watch_;
  Brake brake_;
  ScanGuard guard_;
  LagLog lag_;
  EventLimiter near_miss_limit_;
  int64_t next_kill_;
  // When the last scan was that could judge.
  std::optional<MonoTime> judged_at_;
  // Processes with a kill, by identity: a step may remove any of them.
  std::set<ProcessIdentity> kills_;
  // Generations of slots that an operator holds.
  std::set<int64_t> holds_;
  // Kept between scans to spare the allocations.
  Findings findings_;
};

}  // namespace procctl::node
