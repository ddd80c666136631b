// Orders on their way to the guardian that no journal stands before: to hold a slot or to release
// it, and about programs. The guardian is idempotent by order_id across its own restarts, so one
// that comes twice does no harm, and one that is lost is sent again or expires. They keep the order
// in which they came. Pure; the caller locks.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "node/uplink/boot_clock.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/order.pb.h"

namespace procctl::uplink {

class UnjournaledOrders {
 public:
  explicit UnjournaledOrders(std::size_t limit = 10'000) : limit_(limit) {}

  // False if the guardian has not taken `limit` before it: the caller says so aloud.
  bool Add(v1::HoldOrder order, BootTime received);
  bool Add(v1::ProgramOrder order, BootTime received);

  // The oldest, as the guardian is to get it: time_to_live without the time spent here. It stays
  // the first until Pop. An expired one goes too, so that it ends in a verdict.
  std::optional<v1::LinkDown> Front(BootTime now) const;
  void Pop() { orders_.pop_front(); }

  std::size_t size() const { return orders_.size(); }

 private:
  struct Pending {
    // Without what depends on the moment.
    v1::LinkDown message;
    BootTime expires;
  };
  std::size_t limit_;
  std::deque<Pending> orders_;
};

}  // namespace procctl::uplink
