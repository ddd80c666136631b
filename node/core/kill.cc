#include "node/core/kill.h"

#include "proto/support/time_convert.h"

namespace procctl::node {
namespace {

v1::KillRecord::Stage StageOf(Ladder::Stage stage) {
  switch (stage) {
    case Ladder::Stage::kDue:
      return v1::KillRecord::STAGE_DUE;
    case Ladder::Stage::kTermSent:
      return v1::KillRecord::STAGE_TERM_SENT;
    case Ladder::Stage::kKillSent:
      return v1::KillRecord::STAGE_KILL_SENT;
    case Ladder::Stage::kUnkillable:
      return v1::KillRecord::STAGE_UNKILLABLE;
  }
  return v1::KillRecord::STAGE_UNSPECIFIED;
}

}  // namespace

v1::KillRecord RecordOf(const Kill& kill, const ProcessIdentity& process, int64_t uid,
                        bool intent) {
  v1::KillRecord record;
  record.set_number(kill.number());
  record.set_pid(process.pid);
  record.set_start_ticks(process.start_ticks);
  record.set_uid(uid);
  *record.mutable_subject() = kill.subject;
  *record.mutable_grace() = ToProto(kill.ladder.grace());
  record.set_stage(StageOf(kill.ladder.stage()));
  record.set_intent(intent);
  if (kill.ladder.term_sent())
    *record.mutable_first_signal() = ToProto(kill.ladder.first_signal().time_since_epoch());
  for (const OrderRef& order : kill.orders) {
    v1::OrderRecord* kept = record.add_orders();
    kept->set_id(order.id);
    kept->set_issuer(order.issuer);
    kept->set_reason(order.reason);
  }
  record.set_declared_unkillable(kill.declared_unkillable);
  record.set_granted(kill.granted);
  record.set_evidence_done(kill.evidence == Kill::Evidence::kDone);
  return record;
}

Kill KillFrom(const v1::KillRecord& record, MonoTime now) {
  Kill kill(FromProto(record.grace()), record.subject());
  for (const v1::OrderRecord& order : record.orders())
    kill.orders.push_back({order.id(), order.issuer(), order.reason()});
  kill.declared_unkillable = record.declared_unkillable();
  kill.granted = record.granted();
  kill.evidence = record.evidence_done() ? Kill::Evidence::kDone : Kill::Evidence::kNotAsked;
  // Each stage begins anew: what passed of a grace while nobody looked is not held against the
  // process.
  const MonoTime first =
      record.has_first_signal() ? MonoTime(FromProto(record.first_signal())) : now;
  switch (record.stage()) {
    case v1::KillRecord::STAGE_DUE:
      if (record.intent()) kill.ladder.TermSent(now);
      break;
    case v1::KillRecord::STAGE_TERM_SENT:
      kill.ladder.Resume(record.intent() ? Ladder::Stage::kKillSent : Ladder::Stage::kTermSent,
                         first, now);
      break;
    case v1::KillRecord::STAGE_KILL_SENT:
      kill.ladder.Resume(Ladder::Stage::kKillSent, first, now);
      break;
    case v1::KillRecord::STAGE_UNKILLABLE:
      kill.ladder.Resume(Ladder::Stage::kUnkillable, first, now);
      break;
    default:
      break;
  }
  return kill;
}

}  // namespace procctl::node
