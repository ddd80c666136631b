// How a simulated node answers orders: which events come of one, and when. Keeps the word that a
// real node gives: an id is executed once, a repeat signals nobody, and its one verdict is the
// event that is made already. Pure: time and randomness come in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "procctl/v1/order.pb.h"
#include "tests/fleetsim/event_book.h"
#include "tests/fleetsim/slot_table.h"

namespace procctl::fleetsim {

class OrderDesk {
 public:
  // `table` must outlive this. `at_once`: a verdict follows its TERM_SENT without any time between.
  OrderDesk(SlotTable* table, bool at_once) : table_(table), at_once_(at_once) {}

  // What is to be recorded `after` so long from now. Where `restarts` is a slot, it is another life
  // from then on.
  struct Answer {
    std::chrono::nanoseconds after{0};
    SimEvent event;
    std::optional<std::uint32_t> restarts;
  };

  // Empty for a repeat. `unit` is a random number in [0, 1): how long the process takes to end.
  std::vector<Answer> Take(const v1::Order& order, double unit);
  std::vector<Answer> Take(const v1::HoldOrder& order, std::int64_t wall_ns);
  std::vector<Answer> Take(const v1::ProgramOrder& order);

  std::int64_t repeats() const { return repeats_; }

 private:
  // False for an id that was taken before.
  bool Note(const std::string& order_id);
  // The verdict that stands before anything is done, if any; else the slot.
  v1::Verdict Judge(const std::string& label, const v1::Incarnation& incarnation,
                    std::uint32_t* slot) const;

  SlotTable* const table_;
  const bool at_once_;
  absl::flat_hash_set<std::string> known_;
  std::deque<std::string> by_age_;
  std::int64_t repeats_ = 0;
};

}  // namespace procctl::fleetsim
