// A whole simulated fleet, from its options to its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/fleetsim/options.h"
#include "tests/fleetsim/relay.h"
#include "tests/fleetsim/worker.h"

namespace procctl::fleetsim {

class FleetSim {
 public:
  // Makes or reads certificates, starts the workers. May take a minute for ten thousand new
  // certificates.
  static absl::StatusOr<std::unique_ptr<FleetSim>> Start(const Options& options);
  ~FleetSim();

  Stats& stats() { return *stats_; }
  std::int64_t began() const { return began_; }
  std::size_t nodes() const { return awaited_; }

  // Begins and ends the partition when its time has come.
  void Tick(std::int64_t now);

  // Every node says goodbye, or is cut. Idempotent.
  void Stop();

 private:
  explicit FleetSim(const Options& options) : options_(options) {}
  absl::Status Prepare();
  // The nodes' ids: plain, slow, stopped, hostile.
  std::vector<std::pair<std::string, NodeKind>> Names() const;

  const Options options_;
  RunFacts run_;
  std::unique_ptr<Stats> stats_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Relay> relay_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::int64_t began_ = 0;
  std::size_t awaited_ = 0;
  bool partitioned_ = false;
  bool healed_ = false;
  bool stopped_ = false;
};

}  // namespace procctl::fleetsim
