// A copy of a database as it is at one moment, taken while a controller writes to it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace procctl::controller {

struct BackupFacts {
  std::string history_id;
  std::int64_t generation = 0;
  // Newest event that is in it; 0: there is none.
  std::int64_t last_position = 0;
  std::int64_t bytes = 0;
};

// Copies the database of `state_dir` to `file`, which only this user may read, checks the copy and
// brings it to disk. The copy is one file, of the moment at which this began. May run beside a
// controller, which writes on meanwhile (its write-ahead log grows until the copy is done). Blocks.
//   NOT_FOUND            no controller has made a database there
//   ALREADY_EXISTS       there is such a file: nothing is overwritten
//   FAILED_PRECONDITION  the folder is another user's, or `file` cannot be made
//   RESOURCE_EXHAUSTED   no room for it
//   DATA_LOSS            the database, or the copy, is damaged
absl::StatusOr<BackupFacts> BackUp(const std::string& state_dir, const std::string& file);

// Makes the file `to`, which must be there and empty, a copy of the database `from`: whole, in one
// file, of one moment. Neither is checked.
absl::Status CopyDatabase(const std::string& from, const std::string& to);

}  // namespace procctl::controller
