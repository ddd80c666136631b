#include "controller/rpc/forget_call.h"

#include <utility>

#include "controller/core/order_request.h"
#include "controller/rpc/own_event.h"
#include "proto/support/escape.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// What the view says against it; OK: it is forgotten from here on.
absl::Status InView(Fleet* fleet, const std::string& node) {
  switch (fleet->ForgetNode(node)) {
    case FleetView::Forgot::kYes:
    case FleetView::Forgot::kAlready:
      return absl::OkStatus();
    case FleetView::Forgot::kConnected:
      return absl::FailedPreconditionError(fmt::format(
          "node {} is connected; stop its uplink first, or it would come back at once", node));
    case FleetView::Forgot::kUnknown:
      return absl::NotFoundError(fmt::format("there is no node {}", node));
  }
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<ForgetCall> ForgetCall::Make(v1::ForgetNodeResponse* response) {
  std::shared_ptr<ForgetCall> call(new ForgetCall(response));
  Keep(call);
  return call;
}

void ForgetCall::Begin(const std::shared_ptr<ForgetCall>& call,
                       const v1::ForgetNodeRequest& request, const std::string& issuer,
                       Fleet* fleet, Engine* engine) {
  const std::string& node = request.node();
  if (absl::Status seen = InView(fleet, node); !seen.ok()) return call->Fail(seen);
  v1::Event event =
      OwnEvent(v1::EVENT_KIND_NODE_FORGOTTEN, v1::SEVERITY_INFO, node,
               fmt::format("node {} was forgotten by {}; its rows are dropped", node, issuer));
  event.set_issuer(issuer);
  event.set_reason(Printable(request.reason()));
  spdlog::info("{}", event.message());
  // Again where it was forgotten already: a call whose answer was lost must end as the first did.
  engine->coordinator().Forget(
      node, [call, event = std::move(event), log = &engine->commit_log()](absl::Status forgotten) {
        if (!forgotten.ok()) return call->Fail(forgotten);
        log->AppendOwn({event}, [call](const absl::StatusOr<Committed>& committed) {
          if (!committed.ok()) return call->Fail(committed.status());
          call->Succeed({});
        });
      });
}

absl::Status CheckForget(const v1::ForgetNodeRequest& request) {
  if (request.node().empty() || request.node().size() > 63) {
    return absl::InvalidArgumentError("node must be 1 to 63 characters");
  }
  if (request.reason().size() > kMostReasonBytes) {
    return absl::InvalidArgumentError(
        fmt::format("reason has {} bytes; at most {}", request.reason().size(), kMostReasonBytes));
  }
  return absl::OkStatus();
}

}  // namespace procctl::controller
