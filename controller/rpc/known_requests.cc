#include "controller/rpc/known_requests.h"

#include "absl/hash/hash.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostKnown = 2'000'000;  // 8 to 16 bytes each

std::uint64_t HashOf(const std::string& id) { return absl::Hash<std::string>()(id); }

}  // namespace

void KnownRequests::Add(const std::vector<std::string>& request_ids, bool all) {
  absl::MutexLock lock(&mutex_);
  if (!all) ask_always_ = true;
  for (const std::string& id : request_ids) known_.insert(HashOf(id));
}

bool KnownRequests::Claim(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  if (known_.size() >= kMostKnown) ask_always_ = true;
  return !ask_always_ && known_.insert(HashOf(id)).second;
}

}  // namespace procctl::controller
