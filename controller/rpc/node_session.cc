#include "controller/rpc/node_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "controller/rpc/clocks.h"
#include "controller/rpc/hello.h"
#include "proto/support/escape.h"
#include "proto/support/status.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"
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
  if (epoch != 0) world_->details->OnSessionOver(node_, epoch);
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
  if (epoch != 0) world_->fleet->End(node_, epoch);
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

void NodeSession::StopReading() {
  absl::MutexLock lock(&mutex_);
  stop_reading_ = true;
}

void NodeSession::Drain() {
  {
    absl::MutexLock lock(&mutex_);
    flush_before_finish_ = true;
    outbox_.DropOrders();
  }
  End(absl::UnavailableError("the controller is going down; reconnect with full jitter"));
}

void NodeSession::Tick(MonoTime now) {
  bool no_hello = false;
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
  }
  if (no_hello) return End(absl::InvalidArgumentError("no Hello within 10 s"));
  Pump();
}

// --- What the node says
// -----------------------------------------------------------------------------

absl::Status NodeSession::Take(v1::SessionRequest* request) {
  Phase phase;
  {
    absl::MutexLock lock(&mutex_);
    phase = phase_;
  }
  if (phase == Phase::kOpen) return TakeOpen(request);
  if (!request->has_hello()) return absl::InvalidArgumentError("the first message must be Hello");
  return TakeHello(request->hello());
}

absl::Status NodeSession::TakeHello(const v1::Hello& hello) {
  if (hello.node_id() != node_) {
    return world_->gatekeeper->Refuse(
        *context_, identity_, "/procctl.v1.NodeService/Session",
        fmt::format("the certificate is for node {}, but Hello says {}; set node: {} in the node's "
                    "configuration, or give it its own certificate",
                    node_, Escape(std::string_view(hello.node_id()).substr(0, 80)), node_));
  }
  if (absl::Status checked = CheckHello(node_, hello); !checked.ok()) return checked;
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kClaiming;
  }
  world_->engine->coordinator().Claim(
      node_, hello.max_session_epoch(),
      [weak = weak_from_this(), hello](absl::StatusOr<std::int64_t> epoch) {
        if (const auto self = weak.lock()) self->Claimed(std::move(epoch), hello);
      });
  return absl::OkStatus();
}

void NodeSession::Claimed(absl::StatusOr<std::int64_t> epoch, v1::Hello hello) {
  if (!epoch.ok()) return End(epoch.status());
  world_->engine->commit_log().LoadCursors(
      node_, [weak = weak_from_this(), hello = std::move(hello),
              claimed = *epoch](const absl::StatusOr<std::vector<Cursor>>& cursors) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        if (!cursors.ok()) return self->End(cursors.status());
        self->Welcome(claimed, hello, *cursors);
      });
}

void NodeSession::Welcome(std::int64_t epoch, const v1::Hello& hello,
                          const std::vector<Cursor>& cursors) {
  auto welcome = std::make_unique<v1::Welcome>();
  welcome->set_session_epoch(epoch);
  welcome->set_protocol(std::min(hello.protocol_max(), kProtocolMax));
  for (const Cursor& cursor : cursors) {
    v1::EventCursor* known = welcome->add_cursors();
    known->set_epoch(cursor.epoch);
    known->set_seq(cursor.seq);
  }
  *welcome->mutable_heartbeat_interval() = ToProto(world_->heartbeat_interval);
  welcome->set_controller_id(world_->controller_id);
  welcome->set_software_version(kVersion);
  {
    absl::MutexLock lock(&mutex_);
    epoch_ = epoch;
    outbox_.AddWelcome(std::move(welcome));
  }
  // Orders may queue from here on, behind Welcome. Reading waits for kOpen: what the node answers
  // must find this session as the one that speaks for it.
  if (!world_->fleet->Begin(node_, epoch, FactsOf(hello, peer_), shared_from_this())) {
    return Supersede();
  }
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kOpen;
  }
  spdlog::info("session {} of node {} from {} begins", epoch, node_, peer_);
  world_->kills->OnNodeReturned(node_);
  world_->answers->OnNodeReturned(node_);
  Pump();
}

absl::Status NodeSession::TakeOpen(v1::SessionRequest* request) {
  std::int64_t epoch = 0;
  {
    absl::MutexLock lock(&mutex_);
    epoch = epoch_;
  }
  if (!world_->fleet->Heard(node_, epoch)) {
    return absl::AbortedError(fmt::format("superseded by a newer session of node {}", node_));
  }
  switch (request->message_case()) {
    case v1::SessionRequest::kSnapshotChunk:
      return AfterRows(world_->fleet->ApplySnapshot(node_, epoch, request->snapshot_chunk()));
    case v1::SessionRequest::kDelta:
      return AfterRows(world_->fleet->ApplyDelta(node_, epoch, request->delta()));
    case v1::SessionRequest::kEvents:
      return TakeEvents(request->mutable_events());
    case v1::SessionRequest::kHeartbeat:
      world_->fleet->SetEventsWaiting(node_, epoch, request->heartbeat().events_waiting());
      return absl::OkStatus();
    case v1::SessionRequest::kDetail:
      world_->details->OnReply(node_, std::move(*request->mutable_detail()));
      return absl::OkStatus();
    case v1::SessionRequest::kGoodbye:
      // Heard, as every message; its silence is judged as anybody's.
      return absl::OkStatus();
    case v1::SessionRequest::kHello:
      return absl::InvalidArgumentError("a second Hello; it comes first and once");
    case v1::SessionRequest::MESSAGE_NOT_SET:
      // A newer node may say what this controller does not know yet; it still counts as heard.
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status NodeSession::AfterRows(FleetView::Applied applied) {
  switch (applied) {
    case FleetView::Applied::kYes:
    case FleetView::Applied::kIgnored:
      return absl::OkStatus();
    case FleetView::Applied::kResync: {
      absl::MutexLock lock(&mutex_);
      outbox_.AskForResync("the delta does not begin at the revision held here");
      return absl::OkStatus();
    }
    case FleetView::Applied::kTooMany:
      return absl::InvalidArgumentError(
          fmt::format("node {} reports more than {} slots or {} programs", node_,
                      FleetView::kMostSlotsPerNode, ProgramTable::kMostRows));
  }
  return absl::OkStatus();
}

absl::Status NodeSession::TakeEvents(v1::EventBatch* batch) {
  NodeBatch taken;
  taken.node = node_;
  taken.events.reserve(static_cast<size_t>(batch->events_size()));
  const size_t bytes = batch->ByteSizeLong();
  for (v1::Event& event : *batch->mutable_events()) taken.events.push_back(std::move(event));
  {
    absl::MutexLock lock(&mutex_);
    taken.session_epoch = epoch_;
    ++uncommitted_;
    uncommitted_bytes_ += bytes;
  }
  // Orders are completed by what is committed even if this session is gone by then.
  world_->engine->commit_log().Append(
      std::move(taken), [weak = weak_from_this(), kills = world_->kills, answers = world_->answers,
                         bytes](const absl::StatusOr<procctl::controller::Committed>& committed) {
        if (committed.ok()) {
          kills->OnCommitted(committed->fresh);
          answers->OnCommitted(committed->fresh);
        }
        if (const auto self = weak.lock()) self->Committed(committed, bytes);
      });
  return absl::OkStatus();
}

void NodeSession::Committed(const absl::StatusOr<procctl::controller::Committed>& committed,
                            size_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    --uncommitted_;
    uncommitted_bytes_ -= bytes;
    if (committed.ok()) outbox_.Acknowledge(committed->cursors);
  }
  if (!committed.ok()) return End(committed.status());
  Pump();
}

}  // namespace procctl::controller
