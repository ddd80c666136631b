// What a session has to tell its node, the most urgent first: Welcome, orders, questions,
// acknowledgements, a drain, a resync, a heartbeat. Not thread-safe: the session has it under its
// lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controller/core/order_message.h"
#include "controller/store/commit_log.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::controller {

class SessionOutbox {
 public:
  void AddWelcome(std::unique_ptr<v1::Welcome> welcome) { welcome_ = std::move(welcome); }
  // False: so many wait that the node must be taking none; this one went nowhere.
  bool AddOrder(OrderMessage order);
  // The detail desk bounds how many wait.
  void AddQuestion(v1::DetailRequest request) { questions_.push_back(std::move(request)); }
  // Of each epoch the latest counts.
  void Acknowledge(const std::vector<Cursor>& cursors);
  void AskForResync(std::string why) { resync_ = std::move(why); }
  void AddHeartbeat() { heartbeat_ = true; }

  // What the node may learn in the next session just as well.
  void DropOrders();
  // The last word, behind the acknowledgements.
  void AddDrain(std::chrono::nanoseconds come_back, std::string why);

  // False: there is nothing to tell. `response` is then empty.
  bool TakeNext(v1::SessionResponse* response);

 private:
  std::unique_ptr<v1::Welcome> welcome_;
  std::deque<v1::SessionResponse> orders_;  // of all kinds, in the order in which they were given
  std::deque<v1::DetailRequest> questions_;
  std::map<std::int64_t, std::int64_t> acks_;  // by epoch
  std::unique_ptr<v1::Drain> drain_;
  std::string resync_;
  bool heartbeat_ = false;
};

}  // namespace procctl::controller
