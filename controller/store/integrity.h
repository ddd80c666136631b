// Whether a database can be trusted.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

enum class Checked { kWhole, kInPart };

// SQLite's quick check: structure, not the contents of indexes. Ends soon after `limit`; what was
// not looked at by then is not judged. DATA_LOSS says what is damaged. Blocks.
absl::StatusOr<Checked> QuickCheck(Database* database, std::chrono::nanoseconds limit);

// For who has the time.
inline constexpr std::chrono::hours kWithoutLimit{24 * 365};

// All of it, with its indexes, however long that takes. Blocks.
absl::Status FullCheck(Database* database);

// The same fault in the words of whoever has to mend it.
absl::Status DamagedDatabase(const std::string& path, const absl::Status& why);

}  // namespace procctl::controller
