// Remembers which orders this guardian has taken, so that a repeat signals nobody.
#pragma once

#include <deque>
#include <string>
#include <unordered_set>

namespace procctl::node {

class OrderLedger {
 public:
  // Orders live for minutes; far more than this many cannot arrive in that time.
  static constexpr size_t kCapacity = 65536;

  // True the first time an id is seen.
  bool Take(const std::string& order_id);
  bool Knows(const std::string& order_id) const { return known_.contains(order_id); }

  const std::deque<std::string>& oldest_first() const { return oldest_first_; }

 private:
  std::unordered_set<std::string> known_;
  std::deque<std::string> oldest_first_;
};

}  // namespace procctl::node
