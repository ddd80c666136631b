// Puts a backup in the place of a controller's database.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace procctl::controller {

struct RestoreFacts {
  // Where the database that was there before is now; empty: there was none.
  std::string moved_to;
  std::string history_id;  // new
  std::int64_t last_position = 0;
  // Orders that ran when the backup was made: they are CANCELLED, for what they have done since is
  // not known here.
  std::int64_t orders_ended = 0;
};

// Installs a copy of the backup `file` in `state_dir`, after checking it, as another history: nodes
// accept it although they have seen more than is in it, and what is missing becomes GAP records.
// The present database, whole or damaged, is moved aside and never deleted. Blocks. On failure the
// state folder is as it was.
//   FAILED_PRECONDITION  a controller holds the folder, it is another user's and this is not root,
//                        or a newer procctl-controller made the backup
//   NOT_FOUND            no such file
//   DATA_LOSS            the backup is damaged, or no database of a controller
//   RESOURCE_EXHAUSTED   no room for it
absl::StatusOr<RestoreFacts> Restore(const std::string& file, const std::string& state_dir);

}  // namespace procctl::controller
