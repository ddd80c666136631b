// A host for the enforcer that is made of plain data: processes, pages, clocks, a journal.
//
//   FakeHost host;
//   host.Register(7, "encoder", 5s);
//   host.Pass(6s);                       // scans, nobody beats
//   EXPECT_EQ(host.signals(7), (std::vector<int>{SIGTERM, SIGCONT}));
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/core/enforcer.h"

namespace procctl::node {

using namespace std::chrono_literals;

// One process as the world has it; outlives the target that looks at it.
struct FakeProcess {
  TargetFacts facts;
  std::vector<int> signals;
  // What the kernel answers to a signal.
  Target::Sent answer = Target::Sent::kYes;
  int32_t pid = 0;
  int64_t start_ticks = 0;
};

class FakeTarget final : public Target {
 public:
  explicit FakeTarget(FakeProcess* process)
      : process_(process), identity_{process->pid, process->start_ticks} {}
  const ProcessIdentity& identity() const override { return identity_; }
  TargetFacts Facts() const override { return process_->facts; }
  Outcome Signal(int signal) override {
    if (process_->answer == Sent::kYes) process_->signals.push_back(signal);
    return {process_->answer, process_->answer == Sent::kDenied ? "not permitted" : ""};
  }

 private:
  FakeProcess* process_;
  ProcessIdentity identity_;
};

class FakeHost : public Clocks, public EventSink, public Journal, public EvidenceSource {
 public:
  static constexpr size_t kCells = 512;
  static constexpr Nanos kInterval = 100ms;

  explicit FakeHost(EnforcerSettings settings = {}, SlotRuleBook rules = {});

  // ---- The world.

  FakeProcess& process(int32_t pid);
  procctl_page& page(const std::string& label) { return *pages_.at(label); }
  void Beat(const std::string& label) { ++page(label).beats; }
  const std::vector<int>& signals(int32_t pid) { return process(pid).signals; }
  // Its end, and the guardian's learning of it.
  void End(int32_t pid);

  // ---- The guardian.

  // The slot's label is its name where that is free.
  Slot& Register(int32_t pid, const std::string& name, Nanos timeout, HeartTerms more = {},
                 v1::Door door = v1::DOOR_NATIVE);
  Slot& slot(const std::string& label);
  Process* guarded(int32_t pid);
  Enforcer& enforcer() { return *enforcer_; }
  Table& table() { return *table_; }
  OrderRef Order(const std::string& id) { return {id, "operator/ada", "because"}; }

  // Scans on time until `time` has passed; `each` runs before every scan.
  void Pass(Nanos time, const std::function<void()>& each = {});
  // One scan after `time`, however long: what a guardian that was stopped does.
  void Sleep(Nanos time);

  // kill -9 of the guardian, and the next one: it finds what was committed, and the board.
  void Crash(Nanos down = 1s);

  // ---- What came of it.

  std::vector<v1::Event> Events(v1::EventKind kind) const;
  // The only event of that kind; fails the test otherwise.
  v1::Event The(v1::EventKind kind) const;
  std::vector<v1::Event> events;
  // Answers of the evidence source are held back until Deliver, if false.
  bool deliver_evidence = true;
  int evidence_asked = 0;
  void DeliverEvidence();

  ClockReading Read() const override { return {now, suspended}; }
  void Record(v1::Event event) override { events.push_back(std::move(event)); }
  void Put(v1::StateRecord record) override { gathered_.push_back(std::move(record)); }
  void Commit() override;
  void Ask(int64_t kill, EvidenceSubject subject) override;

  MonoTime now{std::chrono::hours(1)};
  Nanos suspended{0};

 private:
  void Start();

  EnforcerSettings settings_;
  SlotRuleBook rules_;
  std::vector<HeartCell> cells_;
  std::vector<HeartHistory> histories_;
  std::map<int32_t, FakeProcess> processes_;
  std::map<std::string, std::shared_ptr<procctl_page>> pages_;
  std::unique_ptr<Table> table_;
  std::unique_ptr<Enforcer> enforcer_;
  std::vector<v1::StateRecord> gathered_;
  // What the journal holds: the latest record of each.
  std::map<int64_t, v1::SlotRecord> kept_slots_;
  std::map<int64_t, v1::KillRecord> kept_kills_;
  std::optional<v1::BrakeRecord> kept_brake_;
  std::vector<std::pair<int64_t, v1::Evidence>> evidence_;
  int64_t last_kill_ = 0;
};

}  // namespace procctl::node
