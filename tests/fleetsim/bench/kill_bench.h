// Orders to stop, one at a time, to nodes that answer at once.
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "procctl/v1/fleet_service.pb.h"
#include "proto/support/tls_files.h"
#include "tests/fleetsim/bench/samples.h"

namespace procctl::bench {

struct KillTimes {
  // From the call to the answer with the verdict, which is committed by then.
  Samples whole;
  // From the call to the order at its node: operator to controller to node.
  Samples to_node;
  int failed = 0;
  // Why the last one failed.
  std::string failure;
};

class KillBench {
 public:
  // `nodes`: those that are asked in turn. `journal`: the simulator's, where arrivals are read.
  KillBench(const std::string& address, const TlsPem& tls, std::vector<std::string> nodes,
            std::string journal);

  // One kill after the other, `pause` between two. Slots are taken from lists as they are then;
  // where a node has none that is fresh, it is passed over. Ends early at `until`.
  KillTimes Measure(const std::string& name, int count, std::chrono::nanoseconds pause,
                    std::chrono::steady_clock::time_point until);

 private:
  bool Refill();
  // By CLOCK_MONOTONIC; what the journal has not got yet is missing.
  std::unordered_map<std::string, std::int64_t> Arrivals() const;

  const std::vector<std::string> nodes_;
  const std::string journal_;
  std::shared_ptr<grpc::Channel> channel_;
  std::size_t next_node_ = 0;
  std::vector<v1::KillTarget> targets_;
};

}  // namespace procctl::bench
