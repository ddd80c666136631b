// Starts the uplink: another user, no privileges, nothing inherited but one socket.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "node/os/process_ref.h"

namespace procctl::node {

struct SpawnUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// NOT_FOUND says how to make the user.
absl::StatusOr<SpawnUser> FindUser(const std::string& name);

struct SpawnRequest {
  std::string path;
  std::vector<std::string> arguments;  // without argv[0]
  // Becomes descriptor 3 of the child; -1: it has none (/dev/null is there).
  int link_fd = -1;
  // Absent: stays the user it is.
  const SpawnUser* user = nullptr;
};

// The child has: descriptors 0 (null), 1, 2 (ours) and 3; default signals; a small environment of
// its own; no way to gain privileges; and dies with SIGKILL if this thread ends. Returns once exec
// has succeeded; otherwise says what failed.
absl::StatusOr<ProcessRef> Spawn(const SpawnRequest& request);

}  // namespace procctl::node
