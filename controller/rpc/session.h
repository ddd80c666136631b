// A node's session, as the rest of the controller sees it.
#pragma once

#include <chrono>

#include "controller/core/mono_time.h"
#include "controller/core/order_message.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::controller {

// Every call is thread-safe and never blocks. Whoever calls holds a shared_ptr meanwhile.
class Session {
 public:
  virtual ~Session() = default;
  // Queues the order before everything else. False: the session is ending, the order went nowhere.
  // Holds and orders about programs only to a node that names the feature "holds" or "programs".
  virtual bool Send(OrderMessage order) = 0;
  // Queues the question behind orders. Only to a node that names the feature "details"; for output
  // of programs, "programs". True: an answer or the session's end will be told to the detail desk.
  virtual bool AskDetail(v1::DetailRequest request) = 0;
  // A newer session of the node has begun.
  virtual void Supersede() = 0;
  // The node is forgotten: whoever it is begins anew.
  virtual void Dismiss() = 0;
  // Every 250 ms: heartbeats and deadlines.
  virtual void Tick(MonoTime now) = 0;
  // Takes no more from the node. What is under way goes on.
  virtual void StopReading() = 0;
  // Writes the acknowledgements that wait, then ends: the controller is going down. A node that
  // understands is told to come back after `come_back`.
  virtual void Drain(std::chrono::nanoseconds come_back) = 0;
};

}  // namespace procctl::controller
