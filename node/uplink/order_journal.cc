#include "node/uplink/order_journal.h"

#include <utility>

namespace procctl::uplink {

OrderRoute OrderJournal::Route(std::string_view order_id, std::int64_t guardian_epoch) const {
  const auto it = orders_.find(std::string(order_id));
  if (it == orders_.end()) return OrderRoute::kFirst;
  if (it->second.verdict_seen) return OrderRoute::kDecided;
  return it->second.guardian_epoch == guardian_epoch ? OrderRoute::kAgain
                                                     : OrderRoute::kFromEarlierGuardian;
}

void OrderJournal::Note(OrderRecord record) {
  const auto [it, is_new] =
      orders_.try_emplace(record.order_id, State{record.guardian_epoch, record.verdict_seen});
  if (!is_new) {
    // A journal that could be read only late: the older life of the order is the true one.
    if (record.guardian_epoch < it->second.guardian_epoch) {
      it->second.guardian_epoch = record.guardian_epoch;
    }
    it->second.verdict_seen = it->second.verdict_seen || record.verdict_seen;
    return;
  }
  by_age_.push_back(std::move(record.order_id));
  if (by_age_.size() > limit_) {
    orders_.erase(by_age_.front());
    by_age_.pop_front();
  }
}

void OrderJournal::NoteVerdict(std::string_view order_id) {
  const auto it = orders_.find(std::string(order_id));
  if (it != orders_.end()) it->second.verdict_seen = true;
}

}  // namespace procctl::uplink
