// What a simulated fleet has seen, counted by its workers and read by whoever reports. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/fleetsim/arrivals.h"
#include "tests/fleetsim/latency.h"

namespace procctl::fleetsim {

using Counter = std::atomic<std::int64_t>;

struct Counters {
  Counter events_made{0};
  Counter events_sent{0};
  Counter events_acked{0};
  Counter events_lost{0};  // folded into EVENTS_LOST
  Counter event_acks{0};   // messages
  Counter orders{0};
  Counter repeated_orders{0};
  Counter verdicts{0};
  Counter details{0};
  Counter snapshots{0};
  Counter resyncs{0};
  Counter deltas{0};
  Counter heartbeats{0};
  Counter messages_in{0};
  Counter messages_out{0};
  Counter tries{0};
  Counter held_back{0};  // tries that waited for others of this process
  Counter hostile_sessions{0};
};

class Stats {
 public:
  // `nodes`: those whose arrival is awaited (hostile ones are not).
  Stats(std::size_t nodes, std::int64_t start_ns);

  Counters counters;
  Latencies ack_latency;      // from the event to its acknowledgement
  Latencies welcome_latency;  // from the first packet of a connection to Welcome

  void Arrive(std::int64_t now_ns);
  void Leave(std::int64_t now_ns);
  // One more of that kind; kinds are few.
  void Error(const std::string& kind);

  std::size_t connected() const;
  // When all were connected for the first time; 0: not yet.
  std::int64_t complete_since() const;
  // Storms that have ended since the last call.
  std::vector<Storm> TakeStorms();
  std::optional<Storm> CurrentStorm(std::int64_t now_ns) const;
  std::map<std::string, std::int64_t> errors() const;

 private:
  mutable absl::Mutex mutex_;
  Arrivals arrivals_ ABSL_GUARDED_BY(mutex_);
  std::vector<Storm> storms_ ABSL_GUARDED_BY(mutex_);
  std::int64_t complete_since_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::int64_t> errors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::fleetsim
