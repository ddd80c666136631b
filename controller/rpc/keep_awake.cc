#include "controller/rpc/keep_awake.h"

#include <grpcpp/client_context.h>
#include <grpcpp/server.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/stub_options.h>

#include <atomic>
#include <chrono>

#include "controller/rpc/clocks.h"

namespace procctl::controller {

// Lives until gRPC has called it back.
struct KeepAwake::Call {
  grpc::ClientContext context;
  grpc::ByteBuffer request;  // an empty HealthCheckRequest: the server as a whole
  grpc::ByteBuffer response;
  std::shared_ptr<std::atomic<bool>> busy;
};

KeepAwake::KeepAwake(grpc::Server* server)
    : stub_(
          std::make_unique<grpc::GenericStub>(server->InProcessChannel(grpc::ChannelArguments()))),
      busy_(std::make_shared<std::atomic<bool>>(false)) {}

void KeepAwake::Stop() {
  absl::MutexLock lock(&mutex_);
  stub_.reset();
}

std::chrono::nanoseconds KeepAwake::Unanswered() const {
  absl::MutexLock lock(&mutex_);
  // With a deadline of its own a call ends in any case, if somebody is there to end it.
  if (stub_ == nullptr || !busy_->load()) return {};
  return MonoNow() - poked_;
}

void KeepAwake::Poke() {
  absl::MutexLock lock(&mutex_);
  if (stub_ == nullptr || busy_->exchange(true)) return;
  poked_ = MonoNow();
  auto* const call = new Call;
  call->busy = busy_;
  call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  const grpc::Slice empty;
  call->request = grpc::ByteBuffer(&empty, 1);
  stub_->UnaryCall(&call->context, "/grpc.health.v1.Health/Check", grpc::StubOptions(),
                   &call->request, &call->response, [call](const grpc::Status&) {
                     call->busy->store(false);
                     delete call;
                   });
}

}  // namespace procctl::controller
