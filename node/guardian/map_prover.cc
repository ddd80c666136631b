#include "node/guardian/map_prover.h"

#include <utility>

#include "node/os/sysv_table.h"

namespace procctl::node {

MapProver::MapProver(std::string map_identity)
    : map_identity_(std::make_shared<const std::string>(std::move(map_identity))),
      work_({.at_once = kMostAtOnce, .threads = kMostAtOnce, .queued = 0}) {}

bool MapProver::Start(size_t row, ProcessIdentity process) {
  return work_.Start([this, map_identity = map_identity_, row, process]() -> DetachedWork::Finish {
    const Proof proof{row, process, HasAttached(process.pid, *map_identity)};
    // `this` is used on the loop only, inside Take.
    return [this, proof] { taken_.push_back(proof); };
  }) != 0;
}

std::vector<Proof> MapProver::Take() {
  work_.Take();
  return std::exchange(taken_, {});
}

}  // namespace procctl::node
