// The ids of all requests there ever were, as hashes, so that a new one need not wait for the store
// to say that it is new. Shared by all desks: an id names one request, whatever it asks for.
// Thread-safe; never blocks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace procctl::controller {

class KnownRequests {
 public:
  // Ids of recorded requests, for the start of a controller. `all` false: there are more than
  // these.
  void Add(const std::vector<std::string>& request_ids, bool all);

  // True: the id is new, and known from now on. False: it may be recorded; ask the store.
  bool Claim(const std::string& id);

 private:
  absl::Mutex mutex_;
  // With too many of them every request waits.
  bool ask_always_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<std::uint64_t> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
