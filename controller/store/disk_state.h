#pragma once

#include <cstdint>
#include <string>

namespace procctl::controller {

// Whether what is handed to the engine can be committed. While it cannot, nothing is acknowledged,
// batches of nodes wait, and reads go on.
struct DiskState {
  enum class Kind { kOk, kFailing };
  Kind kind = Kind::kOk;
  // kFailing: what the database said last.
  std::string reason;
  // Own events and requests that were refused since it began to fail, as too much waited.
  std::int64_t refused = 0;
};

}  // namespace procctl::controller
