// What the deciders ask of the world, and tell it. The guardian gives them the kernel; a simulation
// gives them a world of its own.
#pragma once

#include <cstdint>
#include <string>

#include "node/core/may_signal.h"
#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "procctl/v1/guardian_state.pb.h"

namespace procctl::node {

struct ClockReading {
  MonoTime mono;
  // CLOCK_BOOTTIME - CLOCK_MONOTONIC: grows only while the host is suspended.
  Nanos suspended{};

  // CLOCK_BOOTTIME.
  Nanos since_boot() const { return mono.time_since_epoch() + suspended; }
};

class Clocks {
 public:
  virtual ~Clocks() = default;
  virtual ClockReading Read() const = 0;
};

// One process, held so that it stays the same process. The only way to send a signal.
class Target {
 public:
  enum class Sent { kYes, kGone, kDenied };
  struct Outcome {
    Sent sent = Sent::kYes;
    // Why kDenied.
    std::string error;
  };

  virtual ~Target() = default;
  virtual const ProcessIdentity& identity() const = 0;
  // What the kernel says of it now, for MaySignal.
  virtual TargetFacts Facts() const = 0;
  virtual Outcome Signal(int signal) = 0;
  // Readable once the process has ended; -1 where its end is learnt otherwise.
  virtual int exit_fd() const { return -1; }
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Numbers, dates and keeps it.
  virtual void Record(v1::Event event) = 0;
};

// What must be known again after this guardian is killed. Put only gathers; Commit makes all that
// was gathered one record that is there whole or not at all.
class Journal {
 public:
  virtual ~Journal() = default;
  virtual void Put(v1::StateRecord record) = 0;
  // Called right before each signal (write-ahead), and by the loop at the end of each turn.
  virtual void Commit() = 0;
};

struct EvidenceSubject {
  ProcessIdentity process;
  // What the guardian knows itself: the heart, its numbers, the other hearts, its own lag.
  v1::Evidence known;
};

// Reads evidence somewhere where it may get stuck. Answers through Enforcer::OnEvidence exactly
// once per kill, within 200 ms or so; never from inside Ask.
class EvidenceSource {
 public:
  virtual ~EvidenceSource() = default;
  virtual void Ask(int64_t kill, EvidenceSubject subject) = 0;
};

}  // namespace procctl::node
