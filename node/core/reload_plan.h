// What another configuration would do to the programs that run: nothing, in place, or a restart.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "procctl/v1/config.pb.h"

namespace procctl::node {

// By how much it disturbs.
enum class Change { kNone, kLive, kRestart };

// What a change of each key of a program asks for: "command", "limits.memory_max". Every key of
// ProgramConfig is in it, its sections key by key, but for `name`: another name is another program.
// The one place where that is said; the comments of config.proto are tested against it.
const std::map<std::string, Change, std::less<>>& ProgramChanges();

// The strongest of what differs; appends the keys that differ to `keys`, in the order of the
// schema. What is written out and what is the documented standard are the same where a restart
// would be the price: `dir: /` is no other program than one without.
Change CompareProgram(const v1::ProgramConfig& now, const v1::ProgramConfig& then,
                      std::vector<std::string>* keys);

struct ReloadPlan {
  struct Step {
    enum What { kAdded, kRemoved, kLive, kRestart, kUnchanged };

    std::string program;
    What what = kUnchanged;
    // kLive, kRestart: which keys differ.
    std::vector<std::string> keys;
    // 0: there is no such program.
    int instances_before = 0;
    int instances_after = 0;
  };

  // As in `then`, followed by those that are only in `now`.
  std::vector<Step> steps;
  // Keys of the file beside `programs` that differ. They hold when the guardian is started anew;
  // the live ones at once.
  std::vector<std::string> node_keys;
  std::vector<std::string> live_node_keys;
};

// Both must be checked files: names are there and differ.
ReloadPlan PlanReload(const v1::NodeConfig& now, const v1::NodeConfig& then);

// A line for each program to which something happens, one for how many others there are and one for
// the node's own keys; ends with a newline.
std::string Describe(const ReloadPlan& plan);

}  // namespace procctl::node
