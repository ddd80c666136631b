#include "controller/core/order_standing.h"

#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {

bool HasSteps(const OrderRequest& request) {
  return !request.plan_hash.empty() || request.targets.size() > 1;
}

bool HasEnded(v1::OrderState state) {
  return state == v1::ORDER_STATE_FINISHED || state == v1::ORDER_STATE_CANCELLED;
}

bool HasStopped(v1::Verdict verdict) {
  return verdict == v1::VERDICT_EXITED_ON_TERM || verdict == v1::VERDICT_KILLED ||
         verdict == v1::VERDICT_GONE_ALREADY;
}

std::string Sentence(std::string_view what, std::string_view who, std::string_view why) {
  return why.empty() ? fmt::format("{} by {}", what, who)
                     : fmt::format("{} by {}: {}", what, who, Escape(why));
}

v1::Event OrderStep(std::string_view request_id, std::string_view by, std::string_view reason,
                    std::string_view message, v1::Severity severity, WallTime at) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_ORDER_STEP);
  event.set_severity(severity);
  *event.mutable_at() = ToProto(at);
  event.set_order_id(std::string(request_id));
  event.set_issuer(std::string(by));
  event.set_reason(std::string(reason));
  event.set_message(std::string(message));
  return event;
}

std::string BegunMessage(const OrderRequest& request) {
  std::string text =
      fmt::format("begun by {}: {} targets to stop", request.issuer, request.targets.size());
  if (!request.filter.empty())
    text += fmt::format(", by the filter \"{}\"", Escape(request.filter));
  if (request.GoesAtOnce()) return text + ", all at once";
  const Pace& pace = request.pace;
  if (!request.targets.empty() && request.targets.back().batch > 1) {
    text += fmt::format(", in {} batches", request.targets.back().batch);
    if (pace.pause.count() > 0) text += fmt::format(" with {} between", FormatDuration(pace.pause));
  }
  if (pace.max_unavailable > 0) {
    text += fmt::format(", at most {} at a time", pace.max_unavailable);
  }
  return text;
}

}  // namespace procctl::controller
