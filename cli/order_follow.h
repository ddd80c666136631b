// An order to stop, followed until it has ended, has halted, or nobody wants to wait any more.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "cli/client.h"
#include "cli/screen.h"

namespace procctl::cli {

class OrderFollow {
 public:
  // `tell` gets each progress.
  OrderFollow(std::string request_id, const Screen& screen, Client* client,
              std::function<void(const v1::TargetProgress&)> tell);

  // `first` opens the stream (ApplyKill, WatchOrder). One that breaks is taken up again by the
  // order's id, for `patience` each time. OK: it has ended, or halted(). CANCELLED: interrupted.
  using Open = std::function<absl::Status(std::stop_token, const OnKillMessage&)>;
  absl::Status Run(const Open& first, Deadline deadline, const std::stop_token& detach);

  bool accepted() const { return targets_ >= 0; }
  // -1 until it was accepted.
  int targets() const { return targets_; }
  bool halted() const { return status_.state() == v1::ORDER_STATE_HALTED; }
  bool ended() const { return summary_; }
  // The newest.
  const v1::OrderStatus& status() const { return status_; }

 private:
  void Take(const v1::KillSlotsResponse& message);
  void Note(const v1::OrderStatus& status);

  const std::string request_id_;
  const Screen& screen_;
  Client* const client_;
  const std::function<void(const v1::TargetProgress&)> tell_;
  std::stop_source enough_;
  int targets_ = -1;
  bool summary_ = false;
  v1::OrderStatus status_;
};

// How to come back to an order that goes on, and how to stop it.
std::string HowToReturn(std::string_view request_id);

}  // namespace procctl::cli
