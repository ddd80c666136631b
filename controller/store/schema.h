// The tables of the local engine, and how its database is opened.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

inline constexpr int kSchemaVersion = 4;

// Opens or creates the database for its one writer. One of an older version is brought up to date,
// all or nothing; the older procctl refuses it from then on. FAILED_PRECONDITION if a newer procctl
// made it.
absl::StatusOr<Database> OpenForWriting(const std::string& path);

absl::StatusOr<Database> OpenForReading(const std::string& path);

// The next epoch of this controller's own events: committed before it is returned, so that no
// number is ever used twice.
absl::StatusOr<std::int64_t> NextOwnEpoch(Database* database);

}  // namespace procctl::controller
