#include "controller/core/refusal_gate.h"

#include <utility>

namespace procctl::controller {

std::optional<std::int64_t> RefusalGate::Admit(std::string_view peer, std::string_view method,
                                               MonoTime now) {
  std::string key = std::string(peer) + " " + std::string(method);
  const auto it = entries_.find(key);
  if (it != entries_.end()) {
    if (now - it->second.recorded < kEvery) {
      ++it->second.held_back;
      return std::nullopt;
    }
    it->second.recorded = now;
    return std::exchange(it->second.held_back, 0);
  }
  if (entries_.size() >= kMostKeys) {
    // Keys come from certificates our own CA signed, so this many are old ones.
    for (auto old = entries_.begin(); old != entries_.end();) {
      const auto next = std::next(old);
      if (now - old->second.recorded >= kEvery) entries_.erase(old);
      old = next;
    }
    if (entries_.size() >= kMostKeys) return std::nullopt;
  }
  entries_.emplace(std::move(key), Entry{now, 0});
  return 0;
}

}  // namespace procctl::controller
