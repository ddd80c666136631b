// The scan and the ladders: reads every heart, judges, signals. Nothing here waits for anything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/core/may_signal.h"
#include "node/core/scan_guard.h"
#include "node/guardian/event_log.h"
#include "node/guardian/table.h"

namespace procctl::node {

class Enforcer {
 public:
  // Reads the present token of a classic row; the second look before a signal.
  using TokenOfRow = std::function<uint64_t(int32_t row)>;

  Enforcer(Table* table, EventLog* log, SignalPolicy policy, Nanos scan_interval, Nanos grace,
           TokenOfRow token);

  // One scan. The caller has drained the sockets and reaped the exits before.
  void Scan();

  // Starts a kill for an order, or joins the one under way. The order has been checked; it ends as
  // a VERDICT event in any case, perhaps before this returns.
  void Execute(Slot& slot, OrderRef order, Nanos grace);

  // The pidfd says that the process has ended.
  void OnExit(Process& process);

  // A process gives a slot back by itself (page closed, classic row cleared). While its ladder runs
  // the slot stays: many programs close their hearts on SIGTERM and hang afterwards.
  void OnClosed(Slot& slot);

  // Records a VERDICT for an order that never became a kill.
  void EndOrder(const OrderRef& order, v1::Event subject, v1::Verdict verdict, v1::Refusal refusal,
                std::string message);

  v1::Event SubjectOf(const Slot& slot) const;

 private:
  void StartKill(Slot& slot, v1::Cause cause, Nanos grace, std::optional<OrderRef> order);
  // Does what is due for one kill. May remove the process.
  void Step(Process& process);
  // True if the target may be signalled now; otherwise the kill was held or ended here.
  bool AskLeave(Process& process);
  void Hold(Process& process, std::string reason);
  void SendTerm(Process& process);
  void SendKill(Process& process);
  // False if the signal did not go out; the kill was held or ended.
  bool Send(Process& process, int signal);
  // True if the heart that caused the kill has beaten since it was judged.
  bool Recovered(const Process& process);

  // Records the verdict for the kill and for every order that waits for it.
  void RecordVerdict(const Kill& kill, v1::Verdict verdict, v1::Refusal refusal,
                     const std::string& message);
  // The kill is over but the process stays guarded.
  void Drop(Process& process, v1::Verdict verdict, v1::Refusal refusal, const std::string& message);
  void RecordProgress(const Kill& kill, v1::EventKind kind, const std::string& message);

  Table* table_;
  EventLog* log_;
  SignalPolicy policy_;
  Nanos grace_;
  TokenOfRow token_of_row_;
  ScanGuard guard_;
  // Processes with a kill, by identity: a step may remove any of them.
  std::set<ProcessIdentity> kills_;
  // Kept between scans to spare the allocations.
  std::vector<int64_t> due_, closed_, changed_;
};

}  // namespace procctl::node
