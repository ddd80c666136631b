#include "tests/controller/rpc/fake_node.h"

#include <chrono>
#include <utility>

namespace procctl::controller {
namespace {
// No test waits for ever.
constexpr std::chrono::seconds kPatience{30};
}  // namespace

FakeNode::FakeNode(const std::shared_ptr<grpc::Channel>& channel, std::string id)
    : id_(std::move(id)), stub_(v1::NodeService::NewStub(channel)) {
  context_.set_deadline(std::chrono::system_clock::now() + kPatience);
  context_.set_wait_for_ready(true);
  stream_ = stub_->Session(&context_);
}

FakeNode::~FakeNode() {
  if (ended_) return;
  context_.TryCancel();
  (void)End();
}

bool FakeNode::Connect(const std::string& claims) {
  v1::SessionRequest request;
  v1::Hello* hello = request.mutable_hello();
  hello->set_node_id(claims.empty() ? id_ : claims);
  hello->set_protocol_min(1);
  hello->set_protocol_max(1);
  hello->set_hostname("host-of-" + id_);
  hello->set_mode("enforce");
  for (const std::string& feature : features_) hello->add_features(feature);
  hello->MergeFrom(hello_);
  v1::SessionResponse response;
  // A failed write means that the stream has ended: the read says so.
  (void)stream_->Write(request);
  if (!stream_->Read(&response) || !response.has_welcome()) return false;
  welcome_ = response.welcome();
  return true;
}

bool FakeNode::SendSnapshot(const std::vector<v1::Slot>& slots, std::int64_t revision) {
  v1::SessionRequest request;
  v1::SnapshotChunk* chunk = request.mutable_snapshot_chunk();
  chunk->set_snapshot(revision);
  chunk->set_revision(revision);
  chunk->set_last(true);
  for (const v1::Slot& slot : slots) *chunk->add_slots() = slot;
  return Send(request);
}

bool FakeNode::SendEvents(const std::vector<v1::Event>& events) {
  v1::SessionRequest request;
  for (const v1::Event& event : events) *request.mutable_events()->add_events() = event;
  return Send(request);
}

bool FakeNode::SendHeartbeat(const v1::NodeHeartbeat& heartbeat) {
  v1::SessionRequest request;
  *request.mutable_heartbeat() = heartbeat;
  return Send(request);
}

bool FakeNode::SendGoodbye(const std::string& reason) {
  v1::SessionRequest request;
  request.mutable_goodbye()->set_reason(reason);
  return Send(request);
}

v1::SessionResponse FakeNode::ReceiveAny() {
  v1::SessionResponse response;
  return stream_->Read(&response) ? response : v1::SessionResponse();
}

v1::SessionResponse FakeNode::Receive() {
  v1::SessionResponse response;
  while (stream_->Read(&response)) {
    if (!response.has_heartbeat()) return response;
  }
  return {};
}

bool FakeNode::AwaitAck(std::int64_t epoch, std::int64_t seq) {
  for (;;) {
    const v1::SessionResponse response = Receive();
    if (response.message_case() == v1::SessionResponse::MESSAGE_NOT_SET) return false;
    for (const v1::EventCursor& cursor : response.event_ack().cursors()) {
      if (cursor.epoch() == epoch && cursor.seq() >= seq) return true;
    }
  }
}

grpc::Status FakeNode::End() {
  ended_ = true;
  stream_->WritesDone();
  v1::SessionResponse ignored;
  while (stream_->Read(&ignored)) {
  }
  return stream_->Finish();
}

v1::Event FakeNode::MakeEvent(std::int64_t epoch, std::int64_t seq) const {
  v1::Event event;
  event.mutable_id()->set_origin(id_);
  event.mutable_id()->set_epoch(epoch);
  event.mutable_id()->set_seq(seq);
  event.set_node(id_);
  event.set_kind(v1::EVENT_KIND_HUNG);
  return event;
}

v1::Event FakeNode::MakeVerdict(std::int64_t epoch, std::int64_t seq, const v1::Order& order,
                                v1::Verdict verdict) const {
  v1::Event event = MakeEvent(epoch, seq);
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_verdict(verdict);
  event.set_order_id(order.order_id());
  *event.mutable_incarnation() = order.incarnation();
  return event;
}

v1::Event FakeNode::MakeAnswer(std::int64_t epoch, std::int64_t seq, const v1::HoldOrder& order,
                               v1::EventKind kind) const {
  v1::Event event = MakeEvent(epoch, seq);
  event.set_kind(kind);
  event.set_order_id(order.order_id());
  *event.mutable_incarnation() = order.incarnation();
  if (kind == v1::EVENT_KIND_HOLD_PLACED) event.mutable_hold_until()->set_seconds(2'000'000'000);
  return event;
}

bool FakeNode::SendDetail(const v1::DetailReply& reply) {
  v1::SessionRequest request;
  *request.mutable_detail() = reply;
  return Send(request);
}

v1::Slot MakeSlot(const std::string& label, std::int64_t generation) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_name(label);
  slot.set_state(v1::SLOT_STATE_ALIVE);
  slot.set_door(v1::DOOR_NATIVE);
  slot.mutable_incarnation()->set_boot_id("boot");
  slot.mutable_incarnation()->set_pid(4242);
  slot.mutable_incarnation()->set_start_ticks(99);
  slot.mutable_incarnation()->set_generation(generation);
  return slot;
}

}  // namespace procctl::controller
