#include "controller/rpc/node_session.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/hello.h"
#include "proto/support/status.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

constexpr std::chrono::seconds kHelloTime{10};
// A node that takes nothing for so long is as good as gone; its next session starts from Welcome.
constexpr std::chrono::seconds kWriteTime{30};
// For a stream that is to end but cannot be written to.
constexpr std::chrono::seconds kFinishTime{2};
constexpr int kMostUncommitted = 16;
constexpr size_t kMostUncommittedBytes = 4 << 20;
// Of all sessions together.
constexpr size_t kMostWaitingBytes = 64 << 20;

}  // namespace

NodeSession* NodeSession::Start(const SessionWorld* world, grpc::CallbackServerContext* context,
                                Identity identity) {
  std::shared_ptr<NodeSession> session(new NodeSession(world, context, std::move(identity)));
  {
    absl::MutexLock lock(&session->mutex_);
    session->self_ = session;
  }
  world->fleet->Adopt(session);
  // At once: until then the client keeps what it has sent for a retry.
  session->StartSendInitialMetadata();
  session->Pump();
  return session.get();
}

NodeSession::NodeSession(const SessionWorld* world, grpc::CallbackServerContext* context,
                         Identity identity)
    : world_(world),
      context_(context),
      identity_(std::move(identity)),
      peer_(PeerAddress(context->peer())),
      began_(MonoNow()),
      last_write_(began_) {}

// --- Performing
// -------------------------------------------------------------------------------------

void NodeSession::Pump() {
  // Finish may let gRPC drop its hold on this object while we are still in the loop.
  const std::shared_ptr<NodeSession> self = shared_from_this();
  mutex_.Lock();
  if (pumping_) {
    // Whoever pumps looks again before it stops.
    mutex_.Unlock();
    return;
  }
  pumping_ = true;
  for (Step step = NextStep(); step != Step::kNone; step = NextStep()) {
    mutex_.Unlock();
    Perform(step);
    mutex_.Lock();
  }
  pumping_ = false;
  mutex_.Unlock();
}

NodeSession::Step NodeSession::NextStep() {
  if (finished_) return Step::kNone;
  if (finish_.has_value()) {
    if (writing_) return Step::kNone;
    if (flush_before_finish_ && outbox_.TakeNext(&response_)) {
      writing_ = true;
      return Step::kWrite;
    }
    finished_ = true;
    return Step::kFinish;
  }
  if (!writing_ && outbox_.TakeNext(&response_)) {
    writing_ = true;
    last_write_ = MonoNow();
    return Step::kWrite;
  }
  const bool may_read = phase_ != Phase::kClaiming && !stop_reading_ &&
                        uncommitted_ < kMostUncommitted &&
                        uncommitted_bytes_ < kMostUncommittedBytes &&
                        world_->engine->commit_log().WaitingBytes() < kMostWaitingBytes;
  if (!reading_ && may_read) {
    reading_ = true;
    return Step::kRead;
  }
  return Step::kNone;
}

void NodeSession::Perform(Step step) {
  switch (step) {
    case Step::kNone:
      return;
    case Step::kRead:
      request_.Clear();
      StartRead(&request_);
      return;
    case Step::kWrite:
      StartWrite(&response_);
      return;
    case Step::kFinish: {
      grpc::Status status;
      {
        absl::MutexLock lock(&mutex_);
        status = *finish_;
      }
      Finish(std::move(status));
      return;
    }
  }
}

void NodeSession::End(const absl::Status& status) {
  std::int64_t epoch = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (finish_.has_value()) return;
    finish_ = ToGrpc(status);
    finish_asked_ = MonoNow();
    epoch = epoch_;
    if (epoch_ != 0) {
      spdlog::info("session {} of node {} ends: {}", epoch_, node_,
                   status.ok() ? "closed by the node" : status.ToString());
    }
  }
  // Before anybody can see the end: who asks from here on finds no session, and who asked before is
  // told now.
  if (epoch != 0) {
    world_->details->OnSessionOver(node_, epoch);
    world_->desk->SessionOver(node_, epoch);
  }
  Pump();
}

// --- Reactions
// --------------------------------------------------------------------------------------

void NodeSession::OnReadDone(bool ok) {
  if (!ok) return End(absl::OkStatus());
  absl::Status taken = Take(&request_);
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
  }
  if (!taken.ok()) return End(taken);
  Pump();
}

void NodeSession::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
  }
  if (!ok) End(absl::UnavailableError("the connection is gone"));
  // Also when its end was decided before: that waits for this write.
  Pump();
}

void NodeSession::OnCancel() { End(absl::CancelledError("the connection is gone")); }

void NodeSession::OnDone() {
  std::shared_ptr<NodeSession> self;
  std::int64_t epoch = 0;
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(self_);
    epoch = epoch_;
  }
  world_->fleet->Forget(this);
  if (epoch == 0) return;
  world_->fleet->End(node_, epoch);
  // Once more: one that ended before its Welcome was planned for after that.
  world_->desk->SessionOver(node_, epoch);
}

// --- From the rest of the controller
// ----------------------------------------------------------------

bool NodeSession::Send(OrderMessage order) {
  {
    absl::MutexLock lock(&mutex_);
    if (epoch_ == 0 || finish_.has_value() || !outbox_.AddOrder(std::move(order))) return false;
  }
  Pump();
  return true;
}

bool NodeSession::AskDetail(v1::DetailRequest request) {
  {
    absl::MutexLock lock(&mutex_);
    if (epoch_ == 0 || finish_.has_value()) return false;
    outbox_.AddQuestion(std::move(request));
  }
  Pump();
  return true;
}

void NodeSession::Supersede() {
  End(absl::AbortedError(fmt::format("superseded by a newer session of node {}", node_)));
}

void NodeSession::Dismiss() {
  End(absl::AbortedError(
      fmt::format("node {} was forgotten; a new session brings it back", node_)));
}

void NodeSession::StopReading() {
  absl::MutexLock lock(&mutex_);
  stop_reading_ = true;
}

void NodeSession::Drain(std::chrono::nanoseconds come_back) {
  {
    absl::MutexLock lock(&mutex_);
    flush_before_finish_ = true;
    outbox_.DropOrders();
    if (drains_) outbox_.AddDrain(come_back, "the controller is going down");
  }
  End(absl::UnavailableError("the controller is going down; reconnect with full jitter"));
}

void NodeSession::Tick(MonoTime now) {
  bool no_hello = false;
  bool deaf = false;
  std::int64_t epoch = 0;
  {
    absl::MutexLock lock(&mutex_);
    no_hello = phase_ == Phase::kAwaitHello && now - began_ > kHelloTime;
    const bool stuck = (writing_ && now - last_write_ > kWriteTime) ||
                       (finish_.has_value() && now - finish_asked_ > kFinishTime);
    // Under the lock, because the context lives only until OnDone, which takes the lock first.
    if (stuck && !finished_) {
      spdlog::warn("the session of node {} takes nothing; it is cut", node_);
      context_->TryCancel();
    }
    if (phase_ == Phase::kOpen && now - last_write_ >= world_->heartbeat_interval)
      outbox_.AddHeartbeat();
    deaf = phase_ == Phase::kOpen && !reading_ && !finish_.has_value();
    epoch = epoch_;
  }
  // While we take nothing from it (a slow disk, a full queue) its silence is ours. Should it be
  // gone, gRPC's keepalive ends the session.
  if (deaf) (void)world_->fleet->Heard(node_, epoch);
  if (no_hello) return End(absl::InvalidArgumentError("no Hello within 10 s"));
  Pump();
}

}  // namespace procctl::controller
