#include "controller/rpc/health_check.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>

namespace procctl::controller {
namespace {

// HealthCheckRequest has one field, a text of number 1, and its response one, an enum of number 1:
// on the wire these are they.
using Request = google::protobuf::StringValue;
using Response = google::protobuf::Int32Value;

// HealthCheckResponse.ServingStatus.
constexpr int kServing = 1;

}  // namespace

HealthAnswer CheckHealth(grpc::ChannelInterface* channel, const std::string& service,
                         std::chrono::nanoseconds timeout) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
  Request request;
  request.set_value(service);
  Response response;
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall<Request, Response, google::protobuf::MessageLite,
                                        google::protobuf::MessageLite>(channel, method, &context,
                                                                       request, &response);
  return {status, response.value() == kServing};
}

}  // namespace procctl::controller
