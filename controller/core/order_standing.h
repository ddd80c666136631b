// An order to stop as a whole: where it stands, and its steps as events for the record. Plain data.
#pragma once

#include <string>
#include <string_view>

#include "controller/core/mono_time.h"
#include "controller/core/order_request.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

struct OrderStanding {
  std::string request_id;
  v1::OrderState state = v1::ORDER_STATE_UNSPECIFIED;
  // Who brought it there and why, in one sentence.
  std::string message;
  std::string issuer;
  std::string reason;
  WallTime received_at;
  // waiting, under_way and done are all of them; failed ones are among done.
  int targets = 0;
  int waiting = 0;
  int under_way = 0;
  int done = 0;
  int failed = 0;
  int batch = 1;
  int batches = 1;
  Pace pace;
};

// Its steps are recorded as events: a plan, or several targets. Of a single one the verdict says it
// all.
bool HasSteps(const OrderRequest& request);

bool HasEnded(v1::OrderState state);

// A verdict after which the target has stopped.
bool HasStopped(v1::Verdict verdict);

// "paused by operator/alice: the disk is full"
std::string Sentence(std::string_view what, std::string_view who, std::string_view why);

// EVENT_KIND_ORDER_STEP of the controller's own log. `by`: who took the step, with `reason`; where
// it was the controller, whose order it is.
v1::Event OrderStep(std::string_view request_id, std::string_view by, std::string_view reason,
                    std::string_view message, v1::Severity severity, WallTime at);

// The first step: how many targets, by which filter, how fast.
std::string BegunMessage(const OrderRequest& request);

}  // namespace procctl::controller
