// Where this process stands in cgroup v2, and whether groups below that are ours to arrange.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace procctl::node {

struct OwnCgroup {
  // Our group's folder; empty: why_not.
  std::string folder;
  std::string why_not;
  // Whoever manages the groups of this host leaves the ones below `folder` to us. Without that we
  // may make groups to know and end processes by, but turn on no controllers.
  bool delegated = false;
};

// Pure: the folder, from /proc/self/mountinfo and /proc/self/cgroup. A guardian that moved itself
// into the group kGuardianGroup (and was replaced there) still has the one above.
inline constexpr std::string_view kGuardianGroup = "guardian";
absl::StatusOr<std::string> OwnCgroupFolder(std::string_view mountinfo, std::string_view cgroups);

OwnCgroup FindOwnCgroup();

}  // namespace procctl::node
