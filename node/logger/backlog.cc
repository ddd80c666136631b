#include "node/logger/backlog.h"

#include <algorithm>
#include <utility>

namespace procctl::logger {

LaneId Backlog::Open(size_t limit) {
  const LaneId id = next_++;
  lanes_[id].limit = limit;
  return id;
}

void Backlog::SetLimit(LaneId id, size_t limit) { lanes_.at(id).limit = limit; }

void Backlog::Close(LaneId id) {
  lanes_.at(id).closing = true;
  ForgetIfOver(id);
}

void Backlog::ForgetIfOver(LaneId id) {
  const auto lane = lanes_.find(id);
  if (lane == lanes_.end() || !lane->second.closing) return;
  if (!lane->second.holds() && in_hand_ != id) lanes_.erase(lane);
}

bool Backlog::DropOldest(Lane* lane, int64_t* dropped) {
  if (lane->pieces.empty()) return false;
  const Piece piece = std::move(lane->pieces.front());
  lane->pieces.pop_front();
  lane->used -= piece.bytes.size();
  *dropped += static_cast<int64_t>(piece.bytes.size());
  int64_t* const next =
      lane->pieces.empty() ? &lane->lost_at_end : &lane->pieces.front().lost_before;
  *next += piece.lost_before + static_cast<int64_t>(piece.bytes.size());
  return true;
}

std::vector<Backlog::Dropped> Backlog::Put(LaneId id, int64_t source, std::string_view bytes) {
  std::vector<Dropped> all;
  if (bytes.empty()) return all;
  Lane& lane = lanes_.at(id);
  const bool joins = !lane.pieces.empty() && lane.lost_at_end == 0 &&
                     lane.pieces.back().source == source &&
                     lane.pieces.back().bytes.size() + bytes.size() <= kPiece;
  if (joins) {
    lane.pieces.back().bytes.append(bytes);
  } else {
    lane.pieces.push_back({source, std::string(bytes), std::exchange(lane.lost_at_end, 0)});
  }
  lane.used += bytes.size();
  total_ += bytes.size();

  Dropped own{id, 0};
  while (lane.used > lane.limit && DropOldest(&lane, &own.bytes)) {
  }
  total_ -= static_cast<size_t>(own.bytes);
  if (own.bytes > 0) all.push_back(own);
  while (total_ > total_limit_) {
    // Who holds most has most to lose; a lane whose disk works is near empty and loses nothing.
    const auto fullest = std::max_element(
        lanes_.begin(), lanes_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    Dropped other{fullest->first, 0};
    if (!DropOldest(&fullest->second, &other.bytes)) break;
    total_ -= static_cast<size_t>(other.bytes);
    all.push_back(other);
  }
  return all;
}

void Backlog::AddLost(LaneId id, int64_t bytes) {
  Lane& lane = lanes_.at(id);
  (lane.pieces.empty() ? lane.lost_at_end : lane.pieces.front().lost_before) += bytes;
}

bool Backlog::Roomy(LaneId id) const {
  const Lane& lane = lanes_.at(id);
  // One more read may bring as much again as a piece holds, and what the splitter held.
  if (lane.used + 2 * kPiece > lane.limit) return lane.used == 0;
  const bool tight = total_ > total_limit_ - total_limit_ / 4;
  return !tight || lane.used < total_limit_ / 2 / lanes_.size();
}

std::optional<LaneId> Backlog::Next(const std::function<bool(LaneId)>& may) const {
  auto lane = lanes_.upper_bound(last_taken_);
  for (size_t i = 0; i < lanes_.size(); ++i, ++lane) {
    if (lane == lanes_.end()) lane = lanes_.begin();
    if (lane->second.holds() && may(lane->first)) return lane->first;
  }
  return std::nullopt;
}

Piece Backlog::Take(LaneId id) {
  Lane& lane = lanes_.at(id);
  Piece piece;
  if (lane.pieces.empty()) {
    piece.lost_before = std::exchange(lane.lost_at_end, 0);
  } else {
    piece = std::move(lane.pieces.front());
    lane.pieces.pop_front();
  }
  last_taken_ = in_hand_ = id;
  in_hand_bytes_ = piece.bytes.size();
  return piece;
}

void Backlog::Done() {
  const LaneId id = std::exchange(in_hand_, 0);
  lanes_.at(id).used -= in_hand_bytes_;
  total_ -= std::exchange(in_hand_bytes_, 0);
  ForgetIfOver(id);
}

void Backlog::PutBack(Piece rest) {
  const LaneId id = std::exchange(in_hand_, 0);
  Lane& lane = lanes_.at(id);
  const size_t gone = std::exchange(in_hand_bytes_, 0) - rest.bytes.size();
  lane.used -= gone;
  total_ -= gone;
  if (rest.bytes.empty()) {
    (lane.pieces.empty() ? lane.lost_at_end : lane.pieces.front().lost_before) += rest.lost_before;
  } else {
    lane.pieces.push_front(std::move(rest));
  }
  ForgetIfOver(id);
}

bool Backlog::idle() const {
  return in_hand_ == 0 &&
         std::none_of(lanes_.begin(), lanes_.end(), [](const auto& l) { return l.second.holds(); });
}

}  // namespace procctl::logger
