#include "node/guardian/enforcer.h"

#include <signal.h>

#include <utility>

#include "node/os/clock.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr Nanos kRecheckHeld = std::chrono::seconds(1);
// The library beats once as soon as it holds the page, and gives up waiting for the page after two
// seconds. A page without any beat for longer than this belongs to a process that believes it is
// not guarded: to judge it would be to kill the healthy.
constexpr Nanos kUnclaimed = std::chrono::seconds(5);

std::string Who(const v1::Event& subject) {
  return fmt::format("{} pid {}", subject.slot(), subject.incarnation().pid());
}

// Verdicts are what people measure: to a tenth of a millisecond below a second, to the millisecond
// above.
std::string Exact(Nanos duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  return seconds < 1 ? fmt::format("{:.1f}ms", seconds * 1000) : fmt::format("{:.3f}s", seconds);
}

std::string Why(const v1::Event& subject) {
  switch (subject.cause()) {
    case v1::CAUSE_HEARTBEAT:
      return fmt::format("no beat for {}, limit {}", Exact(FromProto(subject.silence())),
                         FormatDuration(FromProto(subject.timeout())));
    case v1::CAUSE_SELF_FAILED:
      return "it said itself that it failed";
    default:
      return subject.issuer().empty() ? "ordered" : fmt::format("ordered by {}", subject.issuer());
  }
}

void SetOrder(const OrderRef& order, v1::Event* event) {
  event->set_order_id(order.id);
  event->set_issuer(order.issuer);
  event->set_reason(order.reason);
}

}  // namespace

Enforcer::Enforcer(Table* table, EventLog* log, SignalPolicy policy, Nanos scan_interval,
                   Nanos grace, TokenOfRow token)
    : table_(table),
      log_(log),
      policy_(std::move(policy)),
      grace_(grace),
      token_of_row_(std::move(token)),
      guard_(scan_interval, ReadClocks().mono, ReadClocks().suspended) {}

void Enforcer::Scan() {
  const ClockReading clocks = ReadClocks();
  const ScanVerdict scan = guard_.Scan(clocks.mono, clocks.suspended);
  if (scan.gap) {
    v1::Event event = MakeEvent(
        scan.gap->suspend ? v1::EVENT_KIND_SUSPEND : v1::EVENT_KIND_STALL, v1::SEVERITY_WARNING,
        scan.gap->suspend
            ? fmt::format(
                  "the host was suspended for {}; nobody is judged until {} scans were on time",
                  Exact(scan.gap->length), ScanGuard::kCalmScans)
            : fmt::format(
                  "this guardian did not run for {}; nobody is judged until {} scans were on time",
                  Exact(scan.gap->length), ScanGuard::kCalmScans));
    *event.mutable_observed_gap() = ToProto(scan.gap->length);
    log_->Record(std::move(event));
  }
  if (scan.resumed) spdlog::info("scans are on time again; judging goes on");

  // First read every heart, then judge: a client that beat while we were busy must not die for our
  // slowness.
  due_.clear();
  closed_.clear();
  changed_.clear();
  for (Heart& heart : table_->hearts()) {
    uint64_t token = 0;
    uint32_t flags = 0;
    if (heart.page) {
      token = heart.page->beats();
      flags = heart.page->flags();
    } else {
      token = token_of_row_(heart.row);
    }
    heart.silence.Look(token, scan.credited);
    if (heart.page && token == 0) {
      if (heart.silence.length() > kUnclaimed) closed_.push_back(heart.slot->generation);
      continue;
    }
    const v1::SlotState state = JudgeSilence(heart.silence.length(), heart.timeout);
    if (state != heart.judged) {
      heart.judged = state;
      changed_.push_back(heart.slot->generation);
    }
    if ((flags & PROCCTL_PAGE_CLOSED) != 0) {
      closed_.push_back(heart.slot->generation);
    } else if (state == v1::SLOT_STATE_HUNG || (flags & PROCCTL_PAGE_FAILED) != 0) {
      if (heart.slot->process->kill == nullptr) due_.push_back(heart.slot->generation);
    }
  }
  for (const int64_t generation : closed_) {
    if (Slot* slot = table_->FindSlot(generation)) OnClosed(*slot);
  }
  for (const int64_t generation : changed_) {
    if (const Slot* slot = table_->FindSlot(generation)) table_->Changed(*slot);
  }
  if (!scan.may_judge) return;

  // Ladders that are under way first: what starts below has seen no time pass yet.
  const std::vector<ProcessIdentity> running(kills_.begin(), kills_.end());
  for (const ProcessIdentity& identity : running) {
    Process* process = table_->Find(identity);
    if (process == nullptr || process->kill == nullptr) continue;
    process->kill->ladder.Observe(scan.credited);
    Step(*process);
  }
  for (const int64_t generation : due_) {
    Slot* slot = table_->FindSlot(generation);
    // Two hearts of one process may be due in one scan, and the first may have ended it.
    if (slot == nullptr || slot->process->kill != nullptr) continue;
    const bool hung = table_->heart(*slot).judged == v1::SLOT_STATE_HUNG;
    StartKill(*slot, hung ? v1::CAUSE_HEARTBEAT : v1::CAUSE_SELF_FAILED, grace_, std::nullopt);
  }
}

void Enforcer::Execute(Slot& slot, OrderRef order, Nanos grace) {
  Process& process = *slot.process;
  if (process.kill == nullptr) {
    StartKill(slot, v1::CAUSE_OPERATOR, grace, std::move(order));
    return;
  }
  Kill& kill = *process.kill;
  if (kill.orders.size() >= Kill::kMostOrders) {
    EndOrder(
        order, SubjectOf(slot), v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED,
        fmt::format("{} orders wait for the end of {} already", kill.orders.size(), slot.label));
    return;
  }
  // A withheld kill does not keep an order waiting: its answer is that the target is held.
  if (!kill.ladder.term_sent()) {
    EndOrder(order, SubjectOf(slot), v1::VERDICT_HELD, v1::REFUSAL_UNSPECIFIED,
             fmt::format("{} is held: {}", slot.label, kill.hold_reason));
    return;
  }
  kill.orders.push_back(std::move(order));
  if (kill.declared_unkillable) {
    RecordVerdict(kill, v1::VERDICT_UNKILLABLE, v1::REFUSAL_UNSPECIFIED,
                  fmt::format("{} does not end on SIGKILL", Who(kill.subject)));
  }
}

void Enforcer::StartKill(Slot& slot, v1::Cause cause, Nanos grace, std::optional<OrderRef> order) {
  Process& process = *slot.process;
  v1::Event subject = SubjectOf(slot);
  subject.set_cause(cause);
  if (order) SetOrder(*order, &subject);
  process.kill = std::make_unique<Kill>(grace, std::move(subject));
  process.kill->generation = slot.generation;
  if (order) process.kill->orders.push_back(*std::move(order));
  kills_.insert(process.ref.identity());
  if (cause != v1::CAUSE_OPERATOR) {
    RecordProgress(
        *process.kill, v1::EVENT_KIND_HUNG,
        fmt::format("{} hangs: {}", Who(process.kill->subject), Why(process.kill->subject)));
  }
  Step(process);
}

void Enforcer::Step(Process& process) {
  Kill& kill = *process.kill;
  if (!kill.ladder.term_sent() && kill.subject.cause() == v1::CAUSE_HEARTBEAT &&
      Recovered(process)) {
    Drop(process, v1::VERDICT_RECOVERED, v1::REFUSAL_UNSPECIFIED,
         fmt::format("{} beats again; not signalled", Who(kill.subject)));
    return;
  }
  const MonoTime now = MonoNow();
  const LadderStep due = kill.ladder.Due(now);
  if (due == LadderStep::kNone) return;
  if (due == LadderStep::kDeclareUnkillable) {
    kill.ladder.DeclaredUnkillable(now);
    kill.declared_unkillable = true;
    RecordVerdict(
        kill, v1::VERDICT_UNKILLABLE, v1::REFUSAL_UNSPECIFIED,
        fmt::format(
            "{} is still there {} after SIGKILL (uninterruptible sleep?); tried again every {}",
            Who(kill.subject), FormatDuration(Ladder::kKillPatience),
            FormatDuration(Ladder::kRetryEvery)));
    table_->Changed(process);
    return;
  }
  if (!kill.hold_reason.empty() && now < kill.recheck_at) return;
  if (!AskLeave(process)) return;
  if (due == LadderStep::kSendTerm) {
    SendTerm(process);
  } else {
    SendKill(process);
  }
}

bool Enforcer::Recovered(const Process& process) {
  const Slot* slot = table_->FindSlot(process.kill->generation);
  if (slot == nullptr) return true;
  const Heart& heart = table_->heart(*slot);
  // Read once more, right here: what was read at the start of the scan may be milliseconds old.
  const uint64_t token = heart.page ? heart.page->beats() : token_of_row_(heart.row);
  return heart.judged != v1::SLOT_STATE_HUNG || heart.silence.Moved(token);
}

bool Enforcer::AskLeave(Process& process) {
  Kill& kill = *process.kill;
  const SignalAnswer answer =
      MaySignal(process.ref.identity(), process.uid, process.ref.Facts(), policy_);
  switch (answer.permission) {
    case Permission::kAllowed:
      kill.hold_reason.clear();
      return true;
    case Permission::kGone:
      OnExit(process);
      return false;
    case Permission::kMismatch: {
      // The pidfd would have said so by now; that the pid is somebody else's while it does not is
      // beyond doubt worth a record.
      RecordVerdict(kill, v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED,
                    fmt::format("{}: {}", Who(kill.subject), answer.reason));
      kills_.erase(process.ref.identity());
      table_->RemoveProcess(process);
      return false;
    }
    case Permission::kHold:
    case Permission::kRefused: {
      const bool refused = answer.permission == Permission::kRefused;
      if (kill.subject.cause() == v1::CAUSE_OPERATOR && !kill.ladder.term_sent()) {
        Drop(process, refused ? v1::VERDICT_REFUSED : v1::VERDICT_HELD, answer.refusal,
             fmt::format("{} was not signalled: {}", Who(kill.subject), answer.reason));
      } else {
        Hold(process, answer.reason);
      }
      return false;
    }
  }
  return false;
}

void Enforcer::Hold(Process& process, std::string reason) {
  Kill& kill = *process.kill;
  kill.recheck_at = MonoNow() + kRecheckHeld;
  if (kill.hold_reason == reason) return;
  kill.hold_reason = std::move(reason);
  RecordProgress(kill, v1::EVENT_KIND_HELD,
                 fmt::format("{} should be stopped ({}) but is held: {}", Who(kill.subject),
                             Why(kill.subject), kill.hold_reason));
  table_->Changed(process);
}

bool Enforcer::Send(Process& process, int signal) {
  const absl::Status sent = process.ref.Signal(signal);
  if (sent.ok()) return true;
  Kill& kill = *process.kill;
  if (absl::IsNotFound(sent)) {
    OnExit(process);
  } else if (kill.subject.cause() == v1::CAUSE_OPERATOR && !kill.ladder.term_sent()) {
    Drop(process, v1::VERDICT_REFUSED, v1::REFUSAL_KERNEL, std::string(sent.message()));
  } else {
    Hold(process, std::string(sent.message()));
  }
  return false;
}

void Enforcer::SendTerm(Process& process) {
  if (!Send(process, SIGTERM)) return;
  // A stopped process acts on SIGTERM only once it runs again. It may be gone by now; its exit will
  // tell.
  (void)process.ref.Signal(SIGCONT);
  Kill& kill = *process.kill;
  kill.ladder.TermSent(MonoNow());
  RecordProgress(kill, v1::EVENT_KIND_TERM_SENT,
                 fmt::format("SIGTERM to {} ({}); SIGKILL in {}", Who(kill.subject),
                             Why(kill.subject), FormatDuration(kill.ladder.grace())));
  table_->Changed(process);
}

void Enforcer::SendKill(Process& process) {
  if (!Send(process, SIGKILL)) return;
  Kill& kill = *process.kill;
  const MonoTime now = MonoNow();
  kill.ladder.KillSent(now);
  RecordProgress(kill, v1::EVENT_KIND_KILL_SENT,
                 fmt::format("SIGKILL to {}: still there {} after SIGTERM", Who(kill.subject),
                             Exact(now - kill.ladder.first_signal())));
  table_->Changed(process);
}

void Enforcer::OnExit(Process& process) {
  if (process.kill != nullptr) {
    const Kill& kill = *process.kill;
    const v1::Verdict verdict = kill.ladder.EndVerdict();
    std::string how = "had ended before any signal";
    if (kill.ladder.term_sent()) {
      how = fmt::format("gone {} after SIGTERM{}", Exact(MonoNow() - kill.ladder.first_signal()),
                        kill.ladder.kill_sent() ? ", on SIGKILL" : "");
    }
    RecordVerdict(kill, verdict, v1::REFUSAL_UNSPECIFIED,
                  fmt::format("{} ({}): {}", Who(kill.subject), Why(kill.subject), how));
    kills_.erase(process.ref.identity());
  } else if (!process.slots.empty()) {
    const Slot& first = *process.slots.front();
    v1::Event event = SubjectOf(first);
    event.set_kind(v1::EVENT_KIND_PROCESS_GONE);
    event.set_severity(v1::SEVERITY_INFO);
    event.set_message(fmt::format("{} ended by itself; {} {} cleared", Who(event),
                                  process.slots.size(),
                                  process.slots.size() == 1 ? "slot" : "slots"));
    log_->Record(std::move(event));
  }
  table_->RemoveProcess(process);
}

void Enforcer::OnClosed(Slot& slot) {
  Process& process = *slot.process;
  if (process.kill != nullptr && process.kill->ladder.term_sent()) return;
  if (process.kill != nullptr && process.kill->generation == slot.generation) {
    Drop(process, v1::VERDICT_RECOVERED, v1::REFUSAL_UNSPECIFIED,
         fmt::format("{} gave its slot back; not signalled", Who(process.kill->subject)));
  }
  v1::Event event = SubjectOf(slot);
  event.set_kind(v1::EVENT_KIND_SLOT_CLOSED);
  event.set_severity(v1::SEVERITY_INFO);
  event.set_message(fmt::format("{} gave its slot back", Who(event)));
  log_->Record(std::move(event));
  table_->RemoveSlot(slot);
  table_->Settle(process);
}

void Enforcer::EndOrder(const OrderRef& order, v1::Event subject, v1::Verdict verdict,
                        v1::Refusal refusal, std::string message) {
  subject.set_kind(v1::EVENT_KIND_VERDICT);
  subject.set_severity(verdict == v1::VERDICT_REFUSED ? v1::SEVERITY_WARNING : v1::SEVERITY_INFO);
  subject.set_cause(v1::CAUSE_OPERATOR);
  subject.set_verdict(verdict);
  subject.set_refusal(refusal);
  subject.set_message(std::move(message));
  SetOrder(order, &subject);
  log_->Record(std::move(subject));
}

void Enforcer::Drop(Process& process, v1::Verdict verdict, v1::Refusal refusal,
                    const std::string& message) {
  RecordVerdict(*process.kill, verdict, refusal, message);
  kills_.erase(process.ref.identity());
  process.kill.reset();
  table_->Changed(process);
}

void Enforcer::RecordVerdict(const Kill& kill, v1::Verdict verdict, v1::Refusal refusal,
                             const std::string& message) {
  v1::Event event = kill.subject;
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_severity(verdict == v1::VERDICT_UNKILLABLE || verdict == v1::VERDICT_IDENTITY_MISMATCH
                         ? v1::SEVERITY_ALARM
                         : v1::SEVERITY_WARNING);
  event.set_verdict(verdict);
  event.set_refusal(refusal);
  event.set_message(message);
  event.set_term_sent(kill.ladder.term_sent());
  event.set_kill_sent(kill.ladder.kill_sent());
  if (kill.ladder.term_sent())
    *event.mutable_took() = ToProto(MonoNow() - kill.ladder.first_signal());
  // A kill that no order began has a verdict of its own; every order has one in any case.
  if (kill.subject.order_id().empty()) log_->Record(event);
  for (const OrderRef& order : kill.orders) {
    SetOrder(order, &event);
    log_->Record(event);
  }
}

void Enforcer::RecordProgress(const Kill& kill, v1::EventKind kind, const std::string& message) {
  v1::Event event = kill.subject;
  event.set_kind(kind);
  event.set_severity(v1::SEVERITY_WARNING);
  event.set_message(message);
  event.set_term_sent(kill.ladder.term_sent());
  event.set_kill_sent(kill.ladder.kill_sent());
  if (kill.ladder.term_sent())
    *event.mutable_took() = ToProto(MonoNow() - kill.ladder.first_signal());
  log_->Record(std::move(event));
}

v1::Event Enforcer::SubjectOf(const Slot& slot) const {
  v1::Event event;
  event.set_slot(slot.label);
  event.set_name(slot.name);
  *event.mutable_incarnation() = table_->IncarnationOf(slot);
  event.set_door(slot.door);
  *event.mutable_silence() = ToProto(table_->heart(slot).silence.length());
  *event.mutable_timeout() = ToProto(slot.timeout);
  return event;
}

}  // namespace procctl::node
