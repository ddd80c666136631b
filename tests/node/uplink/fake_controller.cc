#include "tests/node/uplink/fake_controller.h"

#include <grpcpp/server_builder.h>

#include <cstdlib>
#include <thread>
#include <utility>

#include "node/uplink/event_numbers.h"
#include "proto/support/row_digest.h"
#include "proto/support/server_arguments.h"
#include "proto/support/time_convert.h"

namespace procctl::uplink {

FakeController::FakeController(TlsPem tls) : tls_(std::move(tls)) {}

FakeController::~FakeController() { Stop(); }

void FakeController::Start() {
  grpc::ServerBuilder builder;
  ApplyServerArguments(&builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), MakeServerCredentials(tls_),
                           &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) abort();
  port_ = port;
}

void FakeController::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void FakeController::Set(const Behaviour& behaviour) {
  absl::MutexLock lock(&mutex_);
  behaviour_ = behaviour;
}

grpc::Status FakeController::Session(grpc::ServerContext* context, Stream* stream) {
  v1::SessionRequest request;
  if (!stream->Read(&request)) return {grpc::StatusCode::INVALID_ARGUMENT, "no hello"};
  Behaviour behaviour;
  {
    absl::MutexLock lock(&mutex_);
    if (!request.has_hello()) BreachLocked("the first message is no hello");
    hellos_.push_back(request.hello());
    behaviour = behaviour_;
    if (behaviour.refuses) return {grpc::StatusCode::PERMISSION_DENIED, "not for this node"};
    if (context_ != nullptr) {
      // As a controller does: the newer session supersedes.
      end_ = grpc::Status(grpc::StatusCode::ABORTED, "superseded");
      context_->TryCancel();
    }
    stream_ = stream;
    context_ = context;
    end_.reset();
    received_.clear();
    session_seq_ = committed_;
    revision_ = -1;
    staged_number_ = 0;
    last_session_epoch_ =
        behaviour.session_epoch != 0 ? behaviour.session_epoch : last_session_epoch_ + 1;
    v1::SessionResponse response;
    v1::Welcome* welcome = response.mutable_welcome();
    welcome->set_session_epoch(last_session_epoch_);
    welcome->set_protocol(1);
    welcome->set_controller_id("ctl-1");
    *welcome->mutable_heartbeat_interval() = ToProto(behaviour.heartbeat);
    welcome->set_history_id(behaviour.history_id);
    welcome->set_generation(behaviour.generation);
    welcome->set_run(behaviour.run);
    *welcome->mutable_reconnect_within() = ToProto(behaviour.reconnect_within);
    if (behaviour.snapshot_delay.count() > 0) {
      *welcome->mutable_snapshot_delay() = ToProto(behaviour.snapshot_delay);
    }
    for (const auto& [epoch, seq] : committed_) {
      v1::EventCursor* cursor = welcome->add_cursors();
      cursor->set_epoch(epoch);
      cursor->set_seq(seq);
    }
    WriteLocked(response);
    ++welcomed_;
  }
  std::thread heartbeats([&] {
    absl::MutexLock lock(&mutex_);
    const auto over = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return context_ != context; };
    while (
        !mutex_.AwaitWithTimeout(absl::Condition(&over), absl::FromChrono(behaviour.heartbeat))) {
      v1::SessionResponse response;
      *response.mutable_heartbeat()->mutable_clock() = ToProto(std::chrono::system_clock::now());
      if (behaviour.sends_heartbeats) WriteLocked(response);
    }
  });
  std::optional<grpc::Status> end;
  while (stream->Read(&request)) {
    absl::MutexLock lock(&mutex_);
    if (context_ != context || end_.has_value()) break;
    TakeLocked(request);
  }
  {
    absl::MutexLock lock(&mutex_);
    end = end_;
    if (!end.has_value() && !context->IsCancelled()) ++ended_by_node_;
    if (context_ == context) {
      context_ = nullptr;
      stream_ = nullptr;
    }
  }
  heartbeats.join();
  return end.value_or(grpc::Status::OK);
}

void FakeController::WriteLocked(const v1::SessionResponse& response) {
  if (stream_ != nullptr) (void)stream_->Write(response);  // A dead stream shows in Read.
}

void FakeController::BreachLocked(const std::string& what) { breaches_ += what + "\n"; }

void FakeController::TakeLocked(const v1::SessionRequest& request) {
  switch (request.message_case()) {
    case v1::SessionRequest::kEvents:
      TakeEventsLocked(request.events());
      break;
    case v1::SessionRequest::kSnapshotChunk:
    case v1::SessionRequest::kDelta:
      TakeSlotsLocked(request);
      break;
    case v1::SessionRequest::kDetail:
      details_.push_back(request.detail());
      break;
    case v1::SessionRequest::kGoodbye:
      goodbyes_.push_back(request.goodbye().reason());
      break;
    case v1::SessionRequest::kHeartbeat:
      TakeHeartbeatLocked(request.heartbeat());
      break;
    case v1::SessionRequest::kHello:
    case v1::SessionRequest::MESSAGE_NOT_SET:
      BreachLocked("an unexpected message");
      break;
  }
}

void FakeController::TakeHeartbeatLocked(const v1::NodeHeartbeat& heartbeat) {
  ++heartbeats_;
  last_heartbeat_ = heartbeat;
  if (revision_ >= 0 && heartbeat.revision() != revision_) {
    BreachLocked("a heartbeat names revision " + std::to_string(heartbeat.revision()) +
                 ", held is " + std::to_string(revision_));
  }
  if (!heartbeat.has_digest()) return;
  ++digests_;
  std::uint64_t held = 0;
  for (const auto& [generation, slot] : slots_) held += RowDigest(slot);
  for (const auto& [label, program] : programs_) held += RowDigest(program);
  if (heartbeat.digest() != held) BreachLocked("a digest of other rows than are held");
}

void FakeController::TakeEventsLocked(const v1::EventBatch& batch) {
  if (batch.events().empty()) BreachLocked("an empty batch");
  std::int64_t epoch = 0;
  for (const v1::Event& event : batch.events()) {
    if (epoch != 0 && event.id().epoch() != epoch) BreachLocked("two epochs in one batch");
    epoch = event.id().epoch();
    std::int64_t& seq = session_seq_[epoch];
    if (FirstSeq(event) != seq + 1) {
      BreachLocked("event " + std::to_string(FirstSeq(event)) + " of epoch " +
                   std::to_string(epoch) + " after " + std::to_string(seq));
    }
    seq = event.id().seq();
    received_.push_back(seq);
    if (!behaviour_.commits) continue;
    committed_[epoch] = seq;
    ++stored_;
    last_event_at_ = std::chrono::steady_clock::now();
    if (event.kind() == v1::EVENT_KIND_EVENTS_LOST) lost_.push_back(event);
    if (!event.order_id().empty()) answers_.push_back(event);
  }
  if (!behaviour_.commits || !behaviour_.acknowledges) return;
  v1::SessionResponse response;
  v1::EventCursor* cursor = response.mutable_event_ack()->add_cursors();
  cursor->set_epoch(epoch);
  cursor->set_seq(committed_[epoch]);
  WriteLocked(response);
}

void FakeController::TakeSlotsLocked(const v1::SessionRequest& request) {
  if (request.has_snapshot_chunk()) {
    const v1::SnapshotChunk& chunk = request.snapshot_chunk();
    if (request.ByteSizeLong() > 64 * 1024) BreachLocked("a chunk over 64 KiB");
    if (chunk.snapshot() < staged_number_) BreachLocked("a chunk of an older snapshot");
    if (chunk.snapshot() != staged_number_) {
      staged_.clear();
      staged_programs_.clear();
    }
    staged_number_ = chunk.snapshot();
    for (const v1::Slot& slot : chunk.slots()) staged_[slot.incarnation().generation()] = slot;
    for (const v1::Program& program : chunk.programs()) staged_programs_[program.label()] = program;
    if (!chunk.last()) return;
    slots_ = std::move(staged_);
    staged_.clear();
    programs_ = std::move(staged_programs_);
    staged_programs_.clear();
    revision_ = chunk.revision();
    ++snapshots_;
    return;
  }
  const v1::SlotDelta& delta = request.delta();
  if (delta.from_revision() != revision_) {
    BreachLocked("a delta from " + std::to_string(delta.from_revision()) + ", held is " +
                 std::to_string(revision_));
  }
  for (const v1::Slot& slot : delta.upserts()) slots_[slot.incarnation().generation()] = slot;
  for (const std::int64_t generation : delta.removes()) slots_.erase(generation);
  for (const v1::Program& program : delta.program_upserts()) programs_[program.label()] = program;
  for (const std::string& label : delta.program_removes()) programs_.erase(label);
  revision_ = delta.to_revision();
}

void FakeController::SendOrder(const v1::Order& order) {
  v1::SessionResponse response;
  *response.mutable_order() = order;
  absl::MutexLock lock(&mutex_);
  WriteLocked(response);
}

void FakeController::SendHold(const v1::HoldOrder& order) {
  v1::SessionResponse response;
  *response.mutable_hold() = order;
  absl::MutexLock lock(&mutex_);
  WriteLocked(response);
}

void FakeController::SendProgram(const v1::ProgramOrder& order) {
  v1::SessionResponse response;
  *response.mutable_program() = order;
  absl::MutexLock lock(&mutex_);
  WriteLocked(response);
}

void FakeController::AskDetail(std::int64_t request, std::int64_t generation) {
  v1::DetailRequest detail;
  detail.set_request(request);
  detail.set_generation(generation);
  Ask(detail);
}

void FakeController::Ask(const v1::DetailRequest& request) {
  v1::SessionResponse response;
  *response.mutable_detail() = request;
  absl::MutexLock lock(&mutex_);
  WriteLocked(response);
}

std::vector<v1::DetailReply> FakeController::Details() const {
  absl::MutexLock lock(&mutex_);
  return details_;
}

std::vector<v1::Event> FakeController::Answers() const {
  absl::MutexLock lock(&mutex_);
  return answers_;
}

void FakeController::SendResync() {
  v1::SessionResponse response;
  response.mutable_resync()->set_reason("a test wants it");
  absl::MutexLock lock(&mutex_);
  WriteLocked(response);
}

void FakeController::SendDrain(std::chrono::milliseconds delay, const std::string& reason) {
  v1::SessionResponse response;
  *response.mutable_drain()->mutable_delay() = ToProto(delay);
  response.mutable_drain()->set_reason(reason);
  absl::MutexLock lock(&mutex_);
  WriteLocked(response);
}

void FakeController::EndSession(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  // The reading thread returns it at the node's next message, its heartbeat at the latest.
  end_ = status;
}

void FakeController::LoseStore() {
  absl::MutexLock lock(&mutex_);
  committed_.clear();
  lost_.clear();
  stored_ = 0;
}

std::int64_t FakeController::Committed(std::int64_t epoch) const {
  absl::MutexLock lock(&mutex_);
  const auto it = committed_.find(epoch);
  return it == committed_.end() ? 0 : it->second;
}

std::vector<std::int64_t> FakeController::ReceivedInSession() const {
  absl::MutexLock lock(&mutex_);
  return received_;
}

std::vector<v1::Event> FakeController::Lost() const {
  absl::MutexLock lock(&mutex_);
  return lost_;
}

std::size_t FakeController::StoredEvents() const {
  absl::MutexLock lock(&mutex_);
  return stored_;
}

int FakeController::Welcomed() const {
  absl::MutexLock lock(&mutex_);
  return welcomed_;
}

bool FakeController::Connected() const {
  absl::MutexLock lock(&mutex_);
  return context_ != nullptr;
}

std::vector<v1::Hello> FakeController::Hellos() const {
  absl::MutexLock lock(&mutex_);
  return hellos_;
}

std::map<std::int64_t, v1::Slot> FakeController::Slots() const {
  absl::MutexLock lock(&mutex_);
  return slots_;
}

std::map<std::string, v1::Program> FakeController::Programs() const {
  absl::MutexLock lock(&mutex_);
  return programs_;
}

std::int64_t FakeController::Snapshots() const {
  absl::MutexLock lock(&mutex_);
  return snapshots_;
}

int FakeController::Heartbeats() const {
  absl::MutexLock lock(&mutex_);
  return heartbeats_;
}

int FakeController::Digests() const {
  absl::MutexLock lock(&mutex_);
  return digests_;
}

v1::NodeHeartbeat FakeController::LastHeartbeat() const {
  absl::MutexLock lock(&mutex_);
  return last_heartbeat_;
}

std::vector<std::string> FakeController::Goodbyes() const {
  absl::MutexLock lock(&mutex_);
  return goodbyes_;
}

int FakeController::EndedByNode() const {
  absl::MutexLock lock(&mutex_);
  return ended_by_node_;
}

std::string FakeController::Breaches() const {
  absl::MutexLock lock(&mutex_);
  return breaches_;
}

std::chrono::steady_clock::time_point FakeController::LastEventAt() const {
  absl::MutexLock lock(&mutex_);
  return last_event_at_;
}

}  // namespace procctl::uplink
