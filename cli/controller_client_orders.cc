// A controller's plans and orders.
#include <grpcpp/client_context.h>

#include <algorithm>
#include <utility>

#include "cli/controller_client.h"

namespace procctl::cli {
namespace {

constexpr int kMostOrdersAPage = 1000;

// gRPC takes wall-clock deadlines; ours are monotonic.
void SetTimeout(Timeout timeout, grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
}

}  // namespace

template <typename Begin>
absl::Status ControllerClient::FollowStream(Deadline deadline, const std::stop_token& stop,
                                            const OnKillMessage& on_message, Begin begin) {
  grpc::ClientContext context;
  SetTimeout(deadline - std::chrono::steady_clock::now(), &context);
  // From the thread that requests the stop; TryCancel allows that.
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  const auto stream = begin(&context);
  v1::KillSlotsResponse message;
  while (stream->Read(&message)) on_message(message);
  const grpc::Status status = stream->Finish();
  if (stop.stop_requested()) return absl::CancelledError("interrupted");
  return Explain(status);
}

absl::StatusOr<v1::PlanKillResponse> ControllerClient::PlanKill(const v1::PlanKillRequest& request,
                                                                Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::PlanKillResponse response;
  const grpc::Status status = stub_->PlanKill(&context, request, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

absl::Status ControllerClient::ApplyKill(const v1::ApplyKillRequest& request, Deadline deadline,
                                         std::stop_token stop, const OnKillMessage& on_message) {
  return FollowStream(deadline, stop, on_message, [&](grpc::ClientContext* context) {
    return stub_->ApplyKill(context, request);
  });
}

absl::Status ControllerClient::WatchOrder(const std::string& request_id, Deadline deadline,
                                          std::stop_token stop, const OnKillMessage& on_message) {
  v1::WatchOrderRequest request;
  request.set_request_id(request_id);
  return FollowStream(deadline, stop, on_message, [&](grpc::ClientContext* context) {
    return stub_->WatchOrder(context, request);
  });
}

absl::StatusOr<std::vector<v1::OrderStatus>> ControllerClient::ListOrders(bool only_running,
                                                                          size_t newest,
                                                                          Timeout timeout) {
  v1::ListOrdersRequest request;
  request.set_only_running(only_running);
  request.set_page_size(static_cast<int>(std::min<size_t>(newest, kMostOrdersAPage)));
  std::vector<v1::OrderStatus> orders;
  for (;;) {
    grpc::ClientContext context;
    SetTimeout(timeout, &context);
    v1::ListOrdersResponse page;
    const grpc::Status status = stub_->ListOrders(&context, request, &page);
    if (!status.ok()) return Explain(status);
    for (v1::OrderStatus& order : *page.mutable_orders()) orders.push_back(std::move(order));
    const std::string& next = page.next_page_token();
    if (next.empty() || orders.size() >= newest) break;
    // The same page for ever would be the alternative.
    if (next == request.page_token()) {
      return absl::InternalError("the controller repeats a page of the list");
    }
    request.set_page_token(next);
  }
  if (orders.size() > newest) orders.resize(newest);
  return orders;
}

absl::StatusOr<v1::SteerOrderResponse> ControllerClient::SteerOrder(
    const v1::SteerOrderRequest& request, Timeout timeout) {
  grpc::ClientContext context;
  SetTimeout(timeout, &context);
  v1::SteerOrderResponse response;
  const grpc::Status status = stub_->SteerOrder(&context, request, &response);
  if (!status.ok()) return Explain(status);
  return response;
}

}  // namespace procctl::cli
