// Whether a node fell silent, or the fleet. When more than half of the nodes fall silent together
// the cause is this controller's network (or its host), and one alarm says so; an event for each of
// thousands would bury it.
//
// Nodes are heard at least twice in suspect_after, so when the first of them turns SUSPECT after a
// cut, all others have missed a heartbeat already: they are counted then and there, and not even
// the first gets an event of its own.
//
// It takes at least kLeast silent ones: in a handful of nodes, half of them is one rack or one
// person with a reason, the events are few, and each names a host, which is worth more than one
// alarm that names none.
//
// It is over when no more than half are silent and nobody has come back for kSettle: those that
// stayed away are told of one by one then. A node that falls silent kJoin after the beginning is a
// story of its own, and is told of at once.
//
// Pure; the shell asks it at every tick. Bounded by the number of nodes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "controller/core/liveness.h"

namespace procctl::controller {

class MassSilence {
 public:
  static constexpr int kLeast = 5;
  // Silent ones of so long before count as having fallen together.
  static constexpr std::chrono::seconds kWindow{60};
  static constexpr std::chrono::seconds kJoin{120};
  static constexpr std::chrono::seconds kSettle{30};

  struct Begun {
    int silent = 0;
    int of = 0;
  };
  struct Over {
    Observed lasted{0};
    int back = 0;
    int still_silent = 0;
  };
  struct Outcome {
    std::vector<StateChange> tell;  // each by an event of its own
    std::optional<Begun> begun;
    std::optional<Over> over;
  };

  // `connected` nodes are CONNECTED after `changes`, `missed_one` of them have missed a heartbeat.
  Outcome Judge(Observed now, int connected, int missed_one, std::vector<StateChange> changes);

  // A session of `node` begins. False: nobody was told that it had been away, so its coming back
  // is no news either.
  bool ComesBack(const std::string& node);

  bool lasts() const { return began_.has_value(); }

 private:
  struct Silent {
    Observed since{0};
    NodeState state = NodeState::kSuspect;
    bool told = true;
  };

  bool MoreThanHalf(int connected, int missed_one) const;
  bool IsOver(Observed now, int connected, int missed_one);
  void End(Observed now, Outcome* outcome);

  absl::flat_hash_map<std::string, Silent> silent_;
  std::optional<Observed> began_;
  int hidden_ = 0;          // all that were, since it began
  size_t counted_ = 0;      // silent_'s size when it changed last,
  Observed counted_at_{0};  // and when that was
};

}  // namespace procctl::controller
