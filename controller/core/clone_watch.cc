#include "controller/core/clone_watch.h"

#include <algorithm>

namespace procctl::controller {

std::optional<CloneWatch::Conflict> CloneWatch::Judge(const std::string& node,
                                                      const std::string& instance,
                                                      const std::string& where, bool connected,
                                                      MonoTime now) {
  if (instance.empty()) return std::nullopt;
  const std::string life = instance.substr(0, kMostInstanceBytes);
  Lives& lives = nodes_[node];
  std::optional<Conflict> conflict;
  const auto before = std::find(lives.replaced.begin(), lives.replaced.end(), life);
  if (before != lives.replaced.end()) {
    conflict = Conflict{lives.where, connected, !lives.told || now - *lives.told >= kTellEvery};
    if (conflict->tell) lives.told = now;
    if (conflict->refuse) return conflict;
    lives.replaced.erase(before);
  }
  if (life != lives.latest && !lives.latest.empty()) {
    lives.replaced.push_back(lives.latest);
    if (lives.replaced.size() > kMostReplaced) lives.replaced.pop_front();
  }
  lives.latest = life;
  lives.where = where;
  return conflict;
}

}  // namespace procctl::controller
