#include "controller/rpc/describe_call.h"

#include "controller/rpc/clocks.h"
#include "controller/rpc/fleet_messages.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {

std::shared_ptr<DescribeCall> DescribeCall::Make(const Fleet* fleet, std::string node,
                                                 v1::DescribeResponse* response) {
  std::shared_ptr<DescribeCall> call(new DescribeCall(fleet, std::move(node), response));
  Keep(call);
  return call;
}

void DescribeCall::Answered(v1::DetailReply reply) {
  v1::DescribeResponse response;
  if (reply.has_slot()) *response.mutable_slot() = std::move(*reply.mutable_slot());
  if (reply.has_node()) *response.mutable_node_detail() = std::move(*reply.mutable_node());
  fleet_->Read([&](const FleetView& view) {
    if (const NodeRow* row = view.FindNode(node_)) {
      ToMessage(*row, MonoNow(), response.mutable_node());
    }
  });
  Succeed(std::move(response));
}

absl::Status CheckDescribe(const v1::DescribeRequest& request) {
  if (request.node().empty() || request.node().size() > 63) {
    return absl::InvalidArgumentError("node must be 1 to 63 characters");
  }
  if (request.generation() < 0) {
    return absl::InvalidArgumentError(
        fmt::format("generation {}; use a slot's as ListSlots showed it, or 0 for the node itself",
                    request.generation()));
  }
  return absl::OkStatus();
}

}  // namespace procctl::controller
