// Orders on their way to the guardian: each waits, for a moment only, until its intent is in the
// journal. A slow or broken disk must not hold up an order. Pure; the caller locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "node/uplink/boot_clock.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/order.pb.h"

namespace procctl::uplink {

inline constexpr std::chrono::milliseconds kIntentWait{100};

class PendingOrders {
 public:
  explicit PendingOrders(std::size_t limit = 10'000) : limit_(limit) {}

  // `ticket`: the intent that must be in the journal first; 0 if there is none to wait for. False
  // if the guardian has not taken `limit` orders before it: the caller says so aloud.
  bool Add(v1::Order order, bool from_earlier_guardian, std::uint64_t ticket, BootTime received);

  // Every intent up to `ticket` is in the journal.
  void IntentsWritten(std::uint64_t ticket);

  // When the next order may go although its intent is not written; nullopt if none waits.
  std::optional<BootTime> NextDeadline() const;

  // The oldest order, if it may go now, as the guardian is to get it: time_to_live without the time
  // spent here. It stays the first until Pop.
  struct Ready {
    v1::LinkOrder message;
    // False: the wait ran out first.
    bool intent_written = true;
  };
  std::optional<Ready> Front(BootTime now) const;
  void Pop() { orders_.pop_front(); }

  std::size_t size() const { return orders_.size(); }

 private:
  struct Pending {
    v1::Order order;
    bool from_earlier_guardian = false;
    std::uint64_t ticket = 0;
    BootTime received;
    BootTime expires;
  };
  std::size_t limit_;
  std::uint64_t written_ = 0;
  std::deque<Pending> orders_;
};

}  // namespace procctl::uplink
