// What a command that changes something is about: the very processes that the controller shows now,
// and the yes of whoever asked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/screen.h"

namespace procctl::cli {

struct Plan {
  std::vector<v1::FleetSlot> rows;  // to show
  std::vector<v1::KillTarget> targets;
  google::protobuf::Timestamp as_of;
};

// What NODE:PID names where the process has several hearts: a kill of one is a kill of all, a hold
// is each heart's own.
enum class Hearts { kFirst, kAll };

// From `options.targets`, or from `options.target_filter` where that is not empty. NOT_FOUND if
// nothing matched, or one name among several did not; `nothing_done` says in the message what that
// means.
absl::StatusOr<Plan> PlanTargets(const Options& options, Hearts hearts,
                                 std::string_view nothing_done, Client* client);

struct Question {
  std::string_view verb;          // "Stop"
  std::string_view nothing_done;  // "nobody was signalled"
};

// OK to go on: one target, --yes, or a yes. Else FAILED_PRECONDITION says why not.
absl::Status Confirm(const Options& options, const Plan& plan, const Question& question,
                     const Screen& screen);

// The same for `targets` of any kind, which `table` shows.
absl::Status Confirm(const Options& options, size_t targets, const std::string& table,
                     const Question& question, const Screen& screen);

// The targets as members of a JSON array, without its brackets.
std::string TargetsJson(const Plan& plan);

}  // namespace procctl::cli
