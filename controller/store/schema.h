// The tables of the local engine, and how its database is opened.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "controller/store/coordinator.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

inline constexpr int kSchemaVersion = 4;
// In the state folder.
inline constexpr char kDatabaseFile[] = "controller.db";

// Opens or creates the database for its one writer. One of an older version is brought up to date,
// all or nothing; the older procctl refuses it from then on. FAILED_PRECONDITION if a newer procctl
// made it.
absl::StatusOr<Database> OpenForWriting(const std::string& path);

absl::StatusOr<Database> OpenForReading(const std::string& path);

// Leaves the database whole in its one file, without a write-ahead log beside it, until it is
// opened for writing again.
absl::Status UseNoLog(Database* database);

// Who this start of a controller is: its generation is committed before it is returned, so that no
// number is ever used twice.
absl::StatusOr<StoreIdentity> BeginGeneration(Database* database);

// Makes the database another one in the eyes of nodes, for a restored copy.
absl::Status RenewHistoryId(Database* database);

}  // namespace procctl::controller
