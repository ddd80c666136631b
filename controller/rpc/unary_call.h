// A unary call whose answer comes later and from elsewhere. Whoever ends it first, by answer,
// refusal, cancel or drain, ends it; the others find it ended. No lock is held in Finish. Owns
// itself until OnDone; whoever works for it holds a shared_ptr or a weak_ptr.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/rpc/live_calls.h"
#include "controller/rpc/raw_message.h"
#include "proto/support/status.h"

namespace procctl::controller {

template <typename Response>
class UnaryCall : public grpc::ServerUnaryReactor, public LiveCall {
 public:
  // `response` is gRPC's; it lives until OnDone, which waits for Finish.
  explicit UnaryCall(Response* response) : response_(response) {}
  // Of a raw method.
  explicit UnaryCall(grpc::ByteBuffer* raw) : raw_(raw) {}

  // The call now lives until gRPC is done with it.
  static void Keep(const std::shared_ptr<UnaryCall>& call) {
    absl::MutexLock lock(&call->mutex_);
    call->self_ = call;
  }

  void Succeed(Response response) {
    if (ended_.exchange(true)) return;
    if (raw_ != nullptr) {
      *raw_ = BufferOf(response.SerializeAsString());
    } else {
      *response_ = std::move(response);
    }
    Finish(grpc::Status::OK);
  }
  void Fail(const absl::Status& why) {
    if (ended_.exchange(true)) return;
    Finish(ToGrpc(why));
  }
  void Drain() override {
    Fail(absl::UnavailableError("the controller is going down; repeat the call"));
  }

 private:
  void OnCancel() override { Fail(absl::CancelledError("the caller is gone")); }
  void OnDone() override {
    std::shared_ptr<UnaryCall> self;  // let go after the lock, which may be the last of us
    absl::MutexLock lock(&mutex_);
    self.swap(self_);
  }

  Response* const response_ = nullptr;
  grpc::ByteBuffer* const raw_ = nullptr;
  std::atomic<bool> ended_{false};
  absl::Mutex mutex_;
  std::shared_ptr<UnaryCall> self_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
