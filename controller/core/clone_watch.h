// Two hosts with one node's certificate. Each life of an uplink has a random instance; a new life
// replaces the one before, which is dead then. So an instance that comes back after another one
// replaced it is alive on a second host: a copied key, or a cloned disk.
//
// Nodes that name no instance are not judged. Pure; bounded: kMostReplaced instances a node, and
// the fleet's own CA says how many nodes there are.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "controller/core/mono_time.h"

namespace procctl::controller {

class CloneWatch {
 public:
  static constexpr std::size_t kMostReplaced = 8;
  static constexpr std::size_t kMostInstanceBytes = 64;
  static constexpr std::chrono::seconds kTellEvery{60};

  struct Conflict {
    std::string other;    // where the one is that replaced it
    bool refuse = false;  // because that one is connected
    bool tell = false;    // it was not told of within kTellEvery
  };

  // Somebody says hello as `node`; `where` names its host for people. `connected`: the node has a
  // session just now. Empty: as it should be, and this is the node's latest life from here on. That
  // is also so after a conflict which is not to be refused.
  std::optional<Conflict> Judge(const std::string& node, const std::string& instance,
                                const std::string& where, bool connected, MonoTime now);

 private:
  struct Lives {
    std::string latest;
    std::string where;
    std::deque<std::string> replaced;
    std::optional<MonoTime> told;
  };
  absl::flat_hash_map<std::string, Lives> nodes_;
};

}  // namespace procctl::controller
