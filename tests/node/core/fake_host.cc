#include "tests/node/core/fake_host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace procctl::node {

FakeHost::FakeHost(EnforcerSettings settings, SlotRuleBook rules)
    : settings_(std::move(settings)), rules_(std::move(rules)), cells_(kCells), histories_(kCells) {
  settings_.policy.own_line = {1, 2};
  settings_.policy.protected_names = AlwaysProtected();
  settings_.watch.interval = kInterval;
  Start();
}

void FakeHost::Start() {
  table_ = std::make_unique<Table>("boot", rules_, cells_, histories_, this);
  table_->Listen(
      {.changed = [](const Slot&) {}, .removed = [](const Slot&) {}, .forgotten = [](Process&) {}});
  enforcer_ = std::make_unique<Enforcer>(
      table_.get(),
      EnforcerWorld{
          .clocks = this, .events = this, .journal = this, .evidence = this, .refresh = {}},
      settings_, last_kill_ + 1);
}

FakeProcess& FakeHost::process(int32_t pid) {
  const auto [entry, made] = processes_.try_emplace(pid);
  FakeProcess& process = entry->second;
  if (made) {
    process.pid = pid;
    process.start_ticks = 1000 + pid;
    process.facts = {.alive = true, .start_ticks = process.start_ticks, .comm = "prog", .uid = 100};
  }
  return process;
}

void FakeHost::End(int32_t pid) {
  FakeProcess& ended = process(pid);
  ended.facts.alive = false;
  ended.facts.start_ticks.reset();
  ended.answer = Target::Sent::kGone;
  if (Process* p = guarded(pid)) enforcer_->OnExit(*p);
  Commit();
}

Process* FakeHost::guarded(int32_t pid) { return table_->Find({pid, process(pid).start_ticks}); }

Slot& FakeHost::Register(int32_t pid, const std::string& name, Nanos timeout, HeartTerms more,
                         v1::Door door) {
  FakeProcess& from = process(pid);
  Process* owner = guarded(pid);
  if (owner == nullptr)
    owner = &table_->AddProcess(std::make_unique<FakeTarget>(&from), from.facts.uid);
  auto page = std::make_shared<procctl_page>();
  page->beats = 1;
  more.timeout = timeout;
  Slot* slot = table_->AddSlot(
      *owner, {.name = name, .door = door, .terms = more, .page = page, .page_key = {}, .row = -1},
      {});
  pages_[slot->label] = std::move(page);
  Commit();
  return *slot;
}

Slot& FakeHost::slot(const std::string& label) {
  for (const auto& [generation, slot] : table_->slots()) {
    if (slot->label == label) return *slot;
  }
  throw std::logic_error("no slot " + label);
}

void FakeHost::Pass(Nanos time, const std::function<void()>& each) {
  for (Nanos passed{0}; passed < time; passed += kInterval) {
    now += kInterval;
    if (each) each();
    enforcer_->Scan();
    Commit();
    if (deliver_evidence) DeliverEvidence();
  }
}

void FakeHost::Sleep(Nanos time) {
  now += time;
  enforcer_->Scan();
  Commit();
  if (deliver_evidence) DeliverEvidence();
}

void FakeHost::Ask(int64_t kill, EvidenceSubject subject) {
  ++evidence_asked;
  evidence_.emplace_back(kill, std::move(subject.known));
}

void FakeHost::DeliverEvidence() {
  for (auto& [kill, evidence] : std::exchange(evidence_, {}))
    enforcer_->OnEvidence(kill, std::move(evidence));
  Commit();
}

void FakeHost::Commit() {
  for (v1::StateRecord& record : std::exchange(gathered_, {})) {
    switch (record.record_case()) {
      case v1::StateRecord::kSlot:
        kept_slots_[record.slot().generation()] = record.slot();
        break;
      case v1::StateRecord::kSlotGone:
        kept_slots_.erase(record.slot_gone());
        break;
      case v1::StateRecord::kKill:
        kept_kills_[record.kill().number()] = record.kill();
        last_kill_ = std::max(last_kill_, record.kill().number());
        break;
      case v1::StateRecord::kKillOver:
        kept_kills_.erase(record.kill_over());
        break;
      case v1::StateRecord::kBrake:
        kept_brake_ = record.brake();
        break;
      default:
        break;
    }
  }
}

void FakeHost::Crash(Nanos down) {
  gathered_.clear();
  evidence_.clear();
  int64_t last_generation = 0;
  enforcer_.reset();
  table_.reset();
  now += down;
  Start();
  const auto slots = kept_slots_;
  const auto kills = kept_kills_;
  for (const auto& [generation, record] : slots) {
    last_generation = std::max(last_generation, generation);
    FakeProcess& from = process(record.pid());
    if (!from.facts.alive || from.start_ticks != record.start_ticks()) continue;
    Process* owner = guarded(record.pid());
    if (owner == nullptr)
      owner = &table_->AddProcess(std::make_unique<FakeTarget>(&from), record.uid());
    Slot* slot = table_->Resume(*owner, record, pages_.at(record.label()));
    if (slot != nullptr && slot->hold) enforcer_->ResumeHold(*slot);
  }
  for (const auto& [number, record] : kills) {
    Process* owner = table_->Find({record.pid(), record.start_ticks()});
    if (owner != nullptr) {
      enforcer_->ResumeKill(*owner, record);
    } else {
      enforcer_->EndLostKill(record, v1::VERDICT_UNSPECIFIED, "it ended meanwhile");
    }
  }
  table_->NumberFrom(last_generation + 1);
  if (kept_brake_) enforcer_->ResumeBrakes(*kept_brake_);
  Commit();
}

std::vector<v1::Event> FakeHost::Events(v1::EventKind kind) const {
  std::vector<v1::Event> found;
  std::copy_if(events.begin(), events.end(), std::back_inserter(found),
               [kind](const v1::Event& event) { return event.kind() == kind; });
  return found;
}

v1::Event FakeHost::The(v1::EventKind kind) const {
  const std::vector<v1::Event> found = Events(kind);
  EXPECT_EQ(found.size(), 1u) << v1::EventKind_Name(kind);
  return found.empty() ? v1::Event() : found.front();
}

}  // namespace procctl::node
