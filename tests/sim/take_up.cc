#include "tests/sim/take_up.h"

#include <set>
#include <utility>

namespace procctl::sim {

Remembered Replay(const std::vector<v1::StateFrame>& frames) {
  Remembered all;
  for (const v1::StateFrame& frame : frames) {
    for (const v1::StateRecord& record : frame.records()) {
      switch (record.record_case()) {
        case v1::StateRecord::kSlot:
          all.slots[record.slot().generation()] = record.slot();
          break;
        case v1::StateRecord::kSlotGone:
          all.slots.erase(record.slot_gone());
          break;
        case v1::StateRecord::kKill:
          all.kills[record.kill().number()] = record.kill();
          break;
        case v1::StateRecord::kKillOver:
          all.kills.erase(record.kill_over());
          break;
        case v1::StateRecord::kOrderTaken:
          all.orders.push_back(record.order_taken());
          break;
        case v1::StateRecord::kBrake:
          all.brake = record.brake();
          break;
        default:
          break;
      }
    }
  }
  return all;
}

void TakeUp(const Remembered& remembered, const TakeUpWorld& world, node::Table* table,
            node::Enforcer* enforcer, node::OrderLedger* ledger, node::EventSink* events,
            node::Journal* journal) {
  if (remembered.brake) enforcer->ResumeBrakes(*remembered.brake);
  for (const std::string& id : remembered.orders) (void)ledger->Take(id);

  std::set<node::ProcessIdentity> ended;
  const auto bind = [&](const node::ProcessIdentity& identity, int64_t uid) -> node::Process* {
    if (node::Process* known = table->Find(identity)) return known;
    std::unique_ptr<node::Target> target = world.find(identity);
    if (target == nullptr) {
      ended.insert(identity);
      return nullptr;
    }
    node::Process& process = table->AddProcess(std::move(target), uid);
    world.bound(process);
    return &process;
  };

  for (const auto& [generation, record] : remembered.slots) {
    node::Process* process = bind({record.pid(), record.start_ticks()}, record.uid());
    node::Slot* slot = nullptr;
    if (process != nullptr) {
      if (std::shared_ptr<const procctl_page> page = world.reopen(record))
        slot = table->Resume(*process, record, std::move(page));
    }
    if (slot != nullptr) {
      if (slot->hold) enforcer->ResumeHold(*slot);
      continue;
    }
    v1::StateRecord gone;
    gone.set_slot_gone(generation);
    journal->Put(std::move(gone));
    if (process == nullptr) continue;
    v1::Event lost;
    lost.set_kind(v1::EVENT_KIND_SLOT_LOST);
    lost.set_severity(v1::SEVERITY_ALARM);
    lost.set_slot(record.label());
    events->Record(std::move(lost));
  }
  for (const auto& [number, record] : remembered.kills) {
    const node::ProcessIdentity identity{record.pid(), record.start_ticks()};
    const bool signalled = record.stage() != v1::KillRecord::STAGE_DUE || record.intent();
    node::Process* process = table->Find(identity);
    if (process == nullptr || process->slots.empty()) {
      // Nobody is signalled for the first time over a slot that is not there any more.
      process = bind(identity, record.uid());
      if (process != nullptr && !signalled) {
        enforcer->EndLostKill(record, v1::VERDICT_HELD, "its slots could not be taken up");
        continue;
      }
    }
    if (process == nullptr) {
      enforcer->EndLostKill(record, v1::VERDICT_UNSPECIFIED, "ended while no guardian looked");
    } else {
      enforcer->ResumeKill(*process, record);
    }
  }
  for (const node::ProcessIdentity& identity : ended) {
    v1::Event gone;
    gone.set_kind(v1::EVENT_KIND_PROCESS_GONE);
    gone.mutable_incarnation()->set_pid(identity.pid);
    gone.mutable_incarnation()->set_start_ticks(identity.start_ticks);
    events->Record(std::move(gone));
  }
  // Whoever has neither slot nor kill is not guarded.
  std::vector<node::ProcessIdentity> all;
  for (const auto& [identity, process] : table->processes()) all.push_back(identity);
  for (const node::ProcessIdentity& identity : all) table->Settle(*table->Find(identity));
}

}  // namespace procctl::sim
