// The guardian's seams as the simulation has them: clocks of the host, a journal in memory, and a
// crash at any of its doors.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "node/core/event_ring.h"
#include "node/core/seams.h"
#include "tests/sim/host.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"

namespace procctl::sim {

// Thrown through the core: SIGKILL to the guardian. Whoever catches it drops everything that lived
// in its memory.
struct GuardianKilled {};

// Counts down to a crash.
class CrashTrap {
 public:
  void Arm(CrashPoint point, int64_t nth) {
    point_ = point;
    left_ = nth;
  }
  void Disarm() { left_ = 0; }
  // Throws GuardianKilled if the time has come.
  void Pass(CrashPoint point) {
    if (left_ > 0 && point == point_ && --left_ == 0) throw GuardianKilled();
  }

 private:
  CrashPoint point_ = kAtOnce;
  int64_t left_ = 0;
};

class Seams final : public node::Clocks,
                    public node::EventSink,
                    public node::Journal,
                    public node::EvidenceSource {
 public:
  Seams(Host* host, Oracle* oracle, std::FILE* told) : host_(host), oracle_(oracle), told_(told) {}

  node::ClockReading Read() const override { return host_->Clock(); }
  void Record(v1::Event event) override;
  void Put(v1::StateRecord record) override;
  void Commit() override;
  void Ask(int64_t kill, node::EvidenceSubject subject) override;

  // What the last guardian had not committed is lost, and nobody answers it any more.
  void LifeBegins(int64_t epoch);
  void SetEvidenceDelay(Nanos delay) { evidence_delay_ = delay; }
  // Uplink: takes what is committed. False if there is a gap in the numbers.
  bool Spool();

  struct Answer {
    Nanos at{};
    int64_t kill = 0;
    v1::Evidence evidence;
  };
  // In the order in which they were asked.
  std::vector<Answer>& answers() { return answers_; }
  const std::vector<v1::StateFrame>& frames() const { return frames_; }
  CrashTrap& trap() { return trap_; }
  Oracle& oracle() { return *oracle_; }

 private:
  Host* host_;
  Oracle* oracle_;
  std::FILE* told_;
  CrashTrap trap_;
  Nanos evidence_delay_{};
  std::vector<Answer> answers_;
  v1::StateFrame gathered_;
  std::vector<v1::StateFrame> frames_;
  std::unique_ptr<node::EventRing> ring_;
  int64_t spooled_ = 0;
};

// One process in the guardian's hand: by its pidfd, or where it has none by the bare pid, which may
// be somebody else's by now.
class Handle final : public node::Target {
 public:
  Handle(Host* host, Seams* seams, Proc* proc)
      : host_(host), seams_(seams), proc_(proc), identity_(proc->identity) {}

  const node::ProcessIdentity& identity() const override { return identity_; }
  node::TargetFacts Facts() const override;
  Outcome Signal(int signal) override;

  Proc& proc() const { return *proc_; }

 private:
  Proc* Real() const { return proc_->naked ? host_->At(identity_.pid) : proc_; }

  Host* host_;
  Seams* seams_;
  Proc* proc_;
  node::ProcessIdentity identity_;
};

}  // namespace procctl::sim
