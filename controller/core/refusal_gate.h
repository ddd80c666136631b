// Which refused calls are worth an event: a peer that tries the same forbidden thing in a loop must
// not fill the history. One event per peer and method each kEvery; what was held back is counted
// into the next. Pure and bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "controller/core/mono_time.h"

namespace procctl::controller {

class RefusalGate {
 public:
  static constexpr std::chrono::seconds kEvery{60};
  static constexpr size_t kMostKeys = 1024;

  // Empty: do not record. Otherwise the number of refusals held back since the last record of this
  // key.
  std::optional<std::int64_t> Admit(std::string_view peer, std::string_view method, MonoTime now);

 private:
  struct Entry {
    MonoTime recorded;
    std::int64_t held_back = 0;
  };
  absl::flat_hash_map<std::string, Entry> entries_;
};

}  // namespace procctl::controller
