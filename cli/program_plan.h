// What an order about programs is for: the very lives that the controller shows now.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "cli/options.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

struct ProgramPlan {
  std::vector<v1::FleetProgram> rows;
  std::vector<v1::ProgramTarget> targets;  // one for each row
  google::protobuf::Timestamp as_of;
};

v1::ProgramAction ActionOf(Verb verb);

// The row as a target; of a stop or a restart, exactly the life it shows.
v1::ProgramTarget TargetOf(v1::ProgramAction action, const v1::FleetProgram& row);

// From `options.targets`, or from `options.target_filter` where that is not empty. NOT_FOUND if
// nothing matched, or one name among several did not; `nothing_done` says what that means.
absl::StatusOr<ProgramPlan> PlanPrograms(const Options& options, std::string_view nothing_done,
                                         Client* client);

}  // namespace procctl::cli
