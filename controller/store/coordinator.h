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

// Which database this is, and which start of a controller on it: what nodes tell an older
// controller, an old copy of the database and a second controller on a copy from the right one by
// (see Welcome).
struct StoreIdentity {
  // A UUID, made with the database and made anew when a backup is restored.
  std::string history_id;
  // Greater at each start on this database, durable before anything else of this start is; also the
  // epoch of this start's own events.
  std::int64_t generation = 0;
  // Random for each start: two controllers on copies of one database differ in it at least.
  std::string run;
};

class Coordinator {
 public:
  virtual ~Coordinator() = default;

  // The same for the whole life of the engine. Never blocks.
  virtual const StoreIdentity& identity() const = 0;

  // Claims `node` for a new session: the result is its session epoch, durable before it is told,
  // greater than every earlier one of this node and than `at_least` (the highest the node says it
  // has seen: a controller restored from a backup would otherwise be refused for ever). From then
  // on appends under an older epoch of that node are refused. UNAVAILABLE if the engine is
  // stopping.
  using Claimed = std::function<void(absl::StatusOr<std::int64_t>)>;
  virtual void Claim(const std::string& node, std::int64_t at_least, Claimed done) = 0;

  // Leaves `node` out of KnownNodes until it is claimed again. Its session epoch, cursors and
  // events stay: it is fenced as before if it comes back. NOT_FOUND if it was never claimed.
  using Forgotten = std::function<void(absl::Status)>;
  virtual void Forget(const std::string& node, Forgotten done) = 0;

  // All nodes ever claimed and not forgotten since. Blocks; for the start of a controller.
  virtual absl::StatusOr<std::vector<std::string>> KnownNodes() = 0;
  // The others. Blocks; for the start of a controller.
  virtual absl::StatusOr<std::vector<std::string>> ForgottenNodes() = 0;
};

}  // namespace procctl::controller
