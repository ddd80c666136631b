// The rows of one node as a controller would list them. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/render.h"
#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/local.pb.h"
#include "proto/support/filter.h"

namespace procctl::cli {

// Those that match, in the order of their labels; the summary is over all. INVALID_ARGUMENT: the
// filter is wrong. With kMaybe as `enough` those too whose match hangs on their usage.
absl::StatusOr<SlotList> SlotsOf(const v1::LocalHello& node, const std::vector<v1::Slot>& rows,
                                 const std::string& filter,
                                 const google::protobuf::Timestamp& as_of,
                                 procctl::Match enough = procctl::Match::kYes);
// The filter is about cpu or memory: usage must be added, and then what does not match be dropped.
bool AsksForUsage(const std::string& filter);
void DropNoMatches(const std::string& filter, SlotList* list);
absl::StatusOr<ProgramList> ProgramsOf(const v1::LocalHello& node,
                                       const std::vector<v1::Program>& rows,
                                       const std::string& filter,
                                       const google::protobuf::Timestamp& as_of);

// The node itself, if it matches.
absl::StatusOr<NodeList> NodesOf(const v1::LocalHello& node, const v1::FleetSummary& summary,
                                 const std::string& filter,
                                 const google::protobuf::Timestamp& as_of);

}  // namespace procctl::cli
