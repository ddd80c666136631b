#include "controller/core/mass_silence.h"

#include <algorithm>
#include <utility>

namespace procctl::controller {
namespace {

bool IsSilent(NodeState state) { return state == NodeState::kSuspect || state == NodeState::kLost; }

}  // namespace

bool MassSilence::MoreThanHalf(int connected, int missed_one) const {
  const int fallen = static_cast<int>(silent_.size());
  return 2 * (fallen + missed_one) > fallen + connected;
}

MassSilence::Outcome MassSilence::Judge(Observed now, int connected, int missed_one,
                                        std::vector<StateChange> changes) {
  Outcome outcome;
  if (!lasts()) {
    absl::erase_if(silent_, [&](const auto& entry) { return now - entry.second.since > kWindow; });
  }
  bool one_more = false;
  for (const StateChange& change : changes) {
    if (!IsSilent(change.to)) continue;
    one_more = true;
    silent_.try_emplace(change.node, Silent{now, change.to, true});
  }
  const int silent = static_cast<int>(silent_.size()) + missed_one;
  if (!lasts() && one_more && silent >= kLeast && MoreThanHalf(connected, missed_one)) {
    began_ = now;
    outcome.begun = Begun{silent, static_cast<int>(silent_.size()) + connected};
  }
  for (StateChange& change : changes) {
    const auto it = silent_.find(change.node);
    if (!IsSilent(change.to)) {
      const bool told = it == silent_.end() || it->second.told;
      if (it != silent_.end()) silent_.erase(it);
      // That it was away was never told; all but its return still is news.
      if (told || change.to != NodeState::kConnected) outcome.tell.push_back(std::move(change));
      continue;
    }
    Silent& node = it->second;
    node.state = change.to;
    if (lasts() && node.since <= *began_ + kJoin) {
      hidden_ += node.told ? 1 : 0;
      node.told = false;
    } else {
      outcome.tell.push_back(std::move(change));
    }
  }
  if (lasts() && IsOver(now, connected, missed_one)) End(now, &outcome);
  return outcome;
}

bool MassSilence::IsOver(Observed now, int connected, int missed_one) {
  if (silent_.size() != counted_) {
    counted_ = silent_.size();
    counted_at_ = now;
  }
  if (MoreThanHalf(connected, missed_one)) return false;
  return silent_.empty() || now - counted_at_ > kSettle;
}

void MassSilence::End(Observed now, Outcome* outcome) {
  Over over;
  over.lasted = now - *began_;
  for (const auto& [node, silent] : silent_) {
    if (silent.told) continue;
    ++over.still_silent;
    outcome->tell.push_back({node, NodeState::kConnected, silent.state});
  }
  // The map has no order, and people read these one after another.
  std::sort(outcome->tell.begin(), outcome->tell.end(),
            [](const StateChange& a, const StateChange& b) { return a.node < b.node; });
  over.back = hidden_ - over.still_silent;
  outcome->over = over;
  silent_.clear();
  began_.reset();
  hidden_ = 0;
  counted_ = 0;
}

bool MassSilence::ComesBack(const std::string& node) {
  const auto it = silent_.find(node);
  if (it == silent_.end()) return true;
  const bool told = it->second.told;
  silent_.erase(it);
  return told;
}

}  // namespace procctl::controller
