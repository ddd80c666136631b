// What the node knows of the orders it was given: the memory that makes a repeated order harmless.
// Pure; the spool keeps a copy on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace procctl::uplink {

// One line of the journal.
struct OrderRecord {
  std::string order_id;
  // The guardian that the order was first meant for.
  std::int64_t guardian_epoch = 0;
  bool verdict_seen = false;
};

enum class OrderRoute {
  // Never seen: write the intent, then pass it on.
  kFirst,
  // Passed to this very guardian before, which is idempotent by order_id: pass it on again.
  kAgain,
  // An earlier guardian may or may not have executed it: pass it on with from_earlier_guardian.
  kFromEarlierGuardian,
  // Its VERDICT event exists and is, or will be, delivered: nothing to do.
  kDecided,
};

class OrderJournal {
 public:
  // Keeps at most `limit` orders; the oldest are forgotten first. An order lives five minutes at
  // most, so a forgotten id can only come back if 10,000 newer ones came within that time.
  explicit OrderJournal(std::size_t limit = 10'000) : limit_(limit) {}

  OrderRoute Route(std::string_view order_id, std::int64_t guardian_epoch) const;

  // Notes an order; what is known of it already stands (also that it has a verdict).
  void Note(OrderRecord record);
  void NoteVerdict(std::string_view order_id);

  std::size_t size() const { return orders_.size(); }

 private:
  struct State {
    std::int64_t guardian_epoch = 0;
    bool verdict_seen = false;
  };
  std::size_t limit_;
  std::unordered_map<std::string, State> orders_;
  std::deque<std::string> by_age_;
};

}  // namespace procctl::uplink
