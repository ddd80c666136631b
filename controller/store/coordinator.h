// Who owns a node, and since when: members and fencing.
//
// Thread-safe. Callbacks run on a thread of the engine, must be short and must not call back into
// the engine in a way that waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace procctl::controller {

class Coordinator {
 public:
  virtual ~Coordinator() = default;

  // Claims `node` for a new session: the result is its session epoch, durable before it is told,
  // greater than every earlier one of this node and than `at_least` (the highest the node says it
  // has seen: a controller restored from a backup would otherwise be refused for ever). From then
  // on appends under an older epoch of that node are refused. UNAVAILABLE if the engine is
  // stopping.
  using Claimed = std::function<void(absl::StatusOr<std::int64_t>)>;
  virtual void Claim(const std::string& node, std::int64_t at_least, Claimed done) = 0;

  // All nodes ever claimed. Blocks; for the start of a controller.
  virtual absl::StatusOr<std::vector<std::string>> KnownNodes() = 0;
};

}  // namespace procctl::controller
