// What was read and is not written yet: one lane for each pair of program and file, each bounded,
// and bounded together. Where there is no room the oldest goes: after a disk was full for an hour,
// what happened last is worth more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace procctl::logger {

using LaneId = int64_t;

// Whole lines of one stream; or a part of a line that took too long.
struct Piece {
  // The stream.
  int64_t source = 0;
  std::string bytes;
  // Bytes of its lane that were dropped right before it.
  int64_t lost_before = 0;
};

class Backlog {
 public:
  // Pieces of one stream are joined up to this size.
  static constexpr size_t kPiece = 64 * 1024;

  struct Dropped {
    LaneId lane = 0;
    int64_t bytes = 0;
  };

  explicit Backlog(size_t total_limit) : total_limit_(total_limit) {}

  LaneId Open(size_t limit);
  void SetLimit(LaneId id, size_t limit);
  // Gone once what is in it is taken.
  void Close(LaneId id);
  size_t lanes() const { return lanes_.size(); }
  bool Exists(LaneId id) const { return lanes_.count(id) != 0; }
  // There is something to take from it.
  bool Holds(LaneId id) const {
    const auto lane = lanes_.find(id);
    return lane != lanes_.end() && lane->second.holds();
  }

  // Drops the oldest of this lane if that is over its limit, and the oldest of the fullest lanes if
  // all are over the total.
  std::vector<Dropped> Put(LaneId id, int64_t source, std::string_view bytes);
  // Lost before anything that is in the lane.
  void AddLost(LaneId id, int64_t bytes);

  // False: better leave it in the FIFO for now, if the writer is at work. Also false for a lane
  // with more than its share while all of them together are near the total.
  bool Roomy(LaneId id) const;

  // The first lane after the one taken from last, all round, that holds something and that `may`
  // accepts.
  std::optional<LaneId> Next(const std::function<bool(LaneId)>& may) const;
  // The oldest piece of a lane that holds something; without bytes if only a loss is to be told. It
  // counts as held until Done or PutBack; one at a time.
  Piece Take(LaneId id);
  void Done();
  // What could not be written goes back to where it was.
  void PutBack(Piece rest);

  // Nothing is held, nor taken.
  bool idle() const;
  size_t total() const { return total_; }
  size_t size(LaneId id) const { return lanes_.at(id).used; }

 private:
  struct Lane {
    size_t limit = 0;
    // The piece that is taken included.
    size_t used = 0;
    // A list, because an empty deque takes half a KiB, and most lanes are empty.
    std::list<Piece> pieces;
    // Lost after the last piece.
    int64_t lost_at_end = 0;
    bool closing = false;

    bool holds() const { return !pieces.empty() || lost_at_end > 0; }
  };

  // Drops the oldest piece; false if there is none.
  static bool DropOldest(Lane* lane, int64_t* dropped);
  void ForgetIfOver(LaneId id);

  size_t total_limit_;
  size_t total_ = 0;
  LaneId next_ = 1;
  std::map<LaneId, Lane> lanes_;
  LaneId last_taken_ = 0;
  // Of the piece that is taken: its lane, 0: none.
  LaneId in_hand_ = 0;
  size_t in_hand_bytes_ = 0;
};

}  // namespace procctl::logger
