// What a node says in its session. One message at a time: the next is read when this one is taken.
#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/node_session.h"
#include "controller/rpc/own_event.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostGoodbyeBytes = 256;

}  // namespace

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
      return TakeSnapshot(epoch, request->snapshot_chunk());
    case v1::SessionRequest::kDelta:
      return AfterRows(world_->fleet->ApplyDelta(node_, epoch, request->delta()));
    case v1::SessionRequest::kEvents:
      return TakeEvents(request->mutable_events());
    case v1::SessionRequest::kHeartbeat:
      TakeHeartbeat(epoch, request->heartbeat());
      return absl::OkStatus();
    case v1::SessionRequest::kDetail:
      world_->details->OnReply(node_, std::move(*request->mutable_detail()));
      return absl::OkStatus();
    case v1::SessionRequest::kGoodbye:
      world_->fleet->SayGoodbye(
          node_, epoch,
          Printable(std::string_view(request->goodbye().reason()).substr(0, kMostGoodbyeBytes)));
      return absl::OkStatus();
    case v1::SessionRequest::kHello:
      return absl::InvalidArgumentError("a second Hello; it comes first and once");
    case v1::SessionRequest::MESSAGE_NOT_SET:
      // A newer node may say what this controller does not know yet; it still counts as heard.
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status NodeSession::TakeSnapshot(std::int64_t epoch, const v1::SnapshotChunk& piece) {
  const FleetView::Applied applied = world_->fleet->ApplySnapshot(node_, epoch, piece);
  if (piece.last()) world_->desk->SnapshotReceived(node_, epoch);
  return AfterRows(applied);
}

void NodeSession::TakeHeartbeat(std::int64_t epoch, const v1::NodeHeartbeat& heartbeat) {
  if (heartbeat.has_echo() && heartbeat.has_clock()) {
    clock_.Add(FromProto(heartbeat.echo()), FromProto(heartbeat.echo_age()),
               FromProto(heartbeat.clock()), WallNow());
  }
  const auto skew = clock_.skew();
  if (skew && skew_alarm_.Judge(*skew)) {
    Warn(fmt::format(
        "the clock of node {} is {} {} the clock of this controller, and so are the "
        "times in its events; look at the time service of both",
        node_, FormatDuration(std::chrono::abs(*skew)), skew->count() > 0 ? "ahead of" : "behind"));
  }
  switch (world_->fleet->TakeHeartbeat(node_, epoch, heartbeat, skew)) {
    case DigestWatch::Act::kNone:
      return;
    case DigestWatch::Act::kResync: {
      absl::MutexLock lock(&mutex_);
      outbox_.AskForResync("the rows held here have another digest");
      return;
    }
    case DigestWatch::Act::kWarn:
      Warn(
          fmt::format("node {} counts its rows otherwise than this controller, also after a new "
                      "snapshot: what is listed of it may lack rows; update the older of both",
                      node_));
      return;
  }
}

void NodeSession::Warn(const std::string& message) {
  spdlog::warn("{}", message);
  Record(&world_->engine->commit_log(),
         OwnEvent(v1::EVENT_KIND_CONTROLLER_ALARM, v1::SEVERITY_WARNING, node_, message));
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
  taken.skew = clock_.skew();
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
