#include "node/core/order_ledger.h"

namespace procctl::node {

bool OrderLedger::Take(const std::string& order_id) {
  if (!known_.insert(order_id).second) return false;
  oldest_first_.push_back(order_id);
  if (oldest_first_.size() > kCapacity) {
    known_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
  return true;
}

}  // namespace procctl::node
