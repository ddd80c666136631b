#include "tests/fleetsim/node.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "proto/support/channel.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"
#include "tests/fleetsim/clock.h"

namespace procctl::fleetsim {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMillisecond;
// A connection that has not come to a Welcome by then is given up.
constexpr std::int64_t kWelcomeTime = 30 * kSecond;
// Changes of a table wait so long for more of them.
constexpr std::int64_t kDeltaEvery = 200 * kMillisecond;
constexpr std::int64_t kSlowRead = 2 * kSecond;
constexpr std::size_t kBatchBytes = std::size_t{48} << 10;
constexpr std::size_t kMostReplies = 16;
constexpr std::int64_t kHostilePause = kSecond / 2;

std::int64_t Ns(const google::protobuf::Duration& duration) { return FromProto(duration).count(); }

// Kinds, not cases: numbers and the node's own name would make each error one of its own.
std::string ErrorKind(const grpc::Status& status, const std::string& node) {
  std::string text = status.error_message().substr(0, 100);
  for (std::size_t at = text.find(node); at != std::string::npos; at = text.find(node)) {
    text.replace(at, node.size(), "NODE");
  }
  std::string kind;
  for (const char c : Printable(text)) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !kind.empty() && kind.back() == '#') continue;
    kind += digit ? '#' : c;
  }
  const auto code = static_cast<absl::StatusCode>(static_cast<int>(status.error_code()));
  return fmt::format("{}: {}", absl::StatusCodeToString(code), kind);
}

grpc::ByteBuffer ToBytes(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

Node::Link::Link(Node* owner)
    : node(owner),
      start{this, Step::kStart},
      metadata{this, Step::kMetadata},
      read{this, Step::kRead},
      write{this, Step::kWrite},
      writes_done{this, Step::kWritesDone},
      finish{this, Step::kFinish} {}

Node::Node(const RunFacts* run, NodeStart start, grpc::CompletionQueue* queue, NodeGate* gate)
    : run_(run),
      name_(std::move(start.name)),
      kind_(start.kind),
      address_(std::move(start.address)),
      leaf_(std::move(start.leaf)),
      queue_(queue),
      gate_(gate),
      random_(static_cast<std::minstd_rand::result_type>(start.seed)),
      table_(BootIdOf(name_.id), run->epoch, run->slots, run->programs, run->epoch * kSecond),
      book_(run->epoch, run->events_kept),
      desk_(&table_, run->answer_at_once),
      connect_at_(start.connect_at) {}

Node::~Node() = default;

double Node::Unit() { return std::uniform_real_distribution<double>(0, 1)(random_); }

// --- The link

void Node::Admit(std::int64_t now) {
  at_gate_ = false;
  if (stopping_) return gate_->Leave();
  Connect(now);
  link_->gated = true;
}

void Node::LeaveGate() {
  if (!link_->gated) return;
  link_->gated = false;
  gate_->Leave();
}

void Node::Connect(std::int64_t now) {
  connect_at_ = kNever;
  run_->stats->counters.tries.fetch_add(1, std::memory_order_relaxed);
  link_ = std::make_unique<Link>(this);
  link_->began = now;
  link_->channel = MakeChannel(address_, run_->server_name, {run_->ca, leaf_.cert, leaf_.key});
  grpc::GenericStub stub(link_->channel);
  link_->stream = stub.PrepareCall(&link_->context, "/procctl.v1.NodeService/Session", queue_);
  link_->stream->StartCall(&link_->start);
  ++link_->under_way;
}

Node* Node::OnTag(void* tag, bool ok, std::int64_t now) {
  const auto* const operation = static_cast<Operation*>(tag);
  Node* const node = operation->link->node;
  --operation->link->under_way;
  node->OnStep(operation->step, ok, now);
  return node;
}

void Node::OnStep(Step step, bool ok, std::int64_t now) {
  switch (step) {
    case Step::kStart:
      if (!ok) {
        AskForStatus();
        break;
      }
      // Reading and asking for the status would each want the headers, which come once: they are
      // fetched apart, and both begin after them.
      link_->stream->ReadInitialMetadata(&link_->metadata);
      ++link_->under_way;
      if (kind_ == NodeKind::kHostile) {
        plan_ = MakePlan(static_cast<Trick>(tricks_ % static_cast<int>(Trick::kCount)), name_,
                         run_->epoch, static_cast<std::uint64_t>(random_()));
        plan_at_ = 0;
        cut_at_ = now + 15 * kSecond;
        if (plan_.before_hello) {
          PumpHostile(now);
          break;
        }
      }
      {
        v1::SessionRequest request;
        *request.mutable_hello() = MakeHello(name_, table_, book_, max_session_epoch_, WallNs());
        Write(ToBytes(request), now);
      }
      break;
    case Step::kMetadata:
      link_->metadata_came = true;
      LeaveGate();
      AskForStatus();
      if (ok) Read();
      break;
    case Step::kRead:
      link_->reading = false;
      if (!ok) break;
      Take(now);
      if (link_->welcomed && kind_ == NodeKind::kStopped) break;
      if (link_->welcomed && kind_ == NodeKind::kSlow) {
        read_at_ = now + kSlowRead;
      } else {
        Read();
      }
      break;
    case Step::kWrite:
      link_->writing = false;
      if (ok && said_goodbye_) {
        link_->stream->WritesDone(&link_->writes_done);
        ++link_->under_way;
      }
      break;
    case Step::kWritesDone:
      break;
    case Step::kFinish:
      break;
  }
  if (link_->finishing && link_->under_way == 0) return EndLink(now);
  Pump(now);
}

void Node::AskForStatus() {
  if (link_->finishing) return;
  link_->finishing = true;
  link_->stream->Finish(&link_->status, &link_->finish);
  ++link_->under_way;
}

void Node::Read() {
  link_->reading = true;
  link_->stream->Read(&link_->incoming, &link_->read);
  ++link_->under_way;
}

void Node::Write(const grpc::ByteBuffer& bytes, std::int64_t now) {
  link_->writing = true;
  link_->stream->Write(bytes, &link_->write);
  ++link_->under_way;
  run_->stats->counters.messages_out.fetch_add(1, std::memory_order_relaxed);
  if (heartbeat_interval_ > 0) {
    heartbeat_at_ =
        now + HeartbeatDelay(std::chrono::nanoseconds(heartbeat_interval_), Unit()).count();
  }
}

void Node::EndLink(std::int64_t now) {
  const bool welcomed = link_->welcomed;
  // Without headers there was no controller to play a trick on, unless it refused at once.
  const bool reached = link_->metadata_came;
  const grpc::Status status = link_->status;
  LeaveGate();
  link_.reset();
  heartbeat_at_ = kNever;
  heartbeat_interval_ = 0;
  read_at_ = kNever;
  cut_at_ = kNever;
  replies_.clear();
  if (kind_ == NodeKind::kHostile && reached) {
    const auto trick = static_cast<Trick>(tricks_++ % static_cast<int>(Trick::kCount));
    run_->stats->counters.hostile_sessions.fetch_add(1, std::memory_order_relaxed);
    run_->stats->Error(
        fmt::format("hostile, {}: {}", TrickName(trick), ErrorKind(status, name_.id)));
    if (!stopping_) connect_at_ = now + static_cast<std::int64_t>(Unit() * kHostilePause);
    return;
  }
  if (welcomed && kind_ != NodeKind::kHostile) run_->stats->Leave(now);
  if (stopping_) return;
  if (!status.ok() && !drained_) run_->stats->Error(ErrorKind(status, name_.id));
  if (drained_ && connect_at_ != kNever) {
    drained_ = false;
    return;
  }
  const auto delay = welcomed ? reconnect_.AfterSession(Unit()) : reconnect_.AfterFailure(Unit());
  connect_at_ = now + std::chrono::nanoseconds(delay).count();
}

// --- What the controller says

void Node::Take(std::int64_t now) {
  v1::SessionResponse response;
  grpc::Status parsed =
      grpc::SerializationTraits<v1::SessionResponse>::Deserialize(&link_->incoming, &response);
  Counters& counters = run_->stats->counters;
  counters.messages_in.fetch_add(1, std::memory_order_relaxed);
  if (!parsed.ok()) return run_->stats->Error("a message that cannot be read");
  heard_ = now;
  switch (response.message_case()) {
    case v1::SessionResponse::kWelcome:
      return TakeWelcome(response.welcome(), now);
    case v1::SessionResponse::kEventAck:
      return TakeAck(response.event_ack(), now);
    case v1::SessionResponse::kOrder:
      if (run_->journal != nullptr) {
        run_->journal->Order(name_.id, response.order().order_id(), now);
      }
      return TakeAnswers(desk_.Take(response.order(), Unit()), now);
    case v1::SessionResponse::kHold:
      return TakeAnswers(desk_.Take(response.hold(), WallNs()), now);
    case v1::SessionResponse::kProgram:
      return TakeAnswers(desk_.Take(response.program()), now);
    case v1::SessionResponse::kResync:
      counters.resyncs.fetch_add(1, std::memory_order_relaxed);
      snapshot_begun_ = false;
      return;
    case v1::SessionResponse::kHeartbeat:
      controller_clock_ = response.heartbeat().clock();
      controller_clock_came_ = now;
      return;
    case v1::SessionResponse::kDetail:
      counters.details.fetch_add(1, std::memory_order_relaxed);
      if (replies_.size() < kMostReplies) {
        replies_.push_back(MakeReply(response.detail(), table_, run_->epoch));
      }
      return;
    case v1::SessionResponse::kDrain:
      drained_ = true;
      connect_at_ = now + Ns(response.drain().delay());
      Cut();
      return;
    case v1::SessionResponse::MESSAGE_NOT_SET:
      return;
  }
}

void Node::TakeWelcome(const v1::Welcome& welcome, std::int64_t now) {
  if (link_->welcomed) return run_->stats->Error("a second Welcome");
  if (welcome.session_epoch() < max_session_epoch_) {
    run_->stats->Error("a Welcome with an older session epoch");
    return Cut();
  }
  max_session_epoch_ = welcome.session_epoch();
  std::int64_t cursor = 0;
  for (const v1::EventCursor& known : welcome.cursors()) {
    if (known.epoch() == run_->epoch) cursor = known.seq();
  }
  if (!book_.Begin(cursor)) run_->stats->Error("a cursor beyond what was ever sent");
  replay_until_ = book_.last_seq();
  heartbeat_interval_ = Ns(welcome.heartbeat_interval());
  if (heartbeat_interval_ <= 0) heartbeat_interval_ = 10 * kSecond;
  heartbeat_at_ =
      now + HeartbeatDelay(std::chrono::nanoseconds(heartbeat_interval_), Unit()).count();
  snapshot_at_ = now + Ns(welcome.snapshot_delay());
  snapshot_begun_ = false;
  delta_at_ = 0;
  drained_ = false;
  controller_clock_.reset();
  reconnect_.Welcomed(
      std::chrono::duration_cast<std::chrono::milliseconds>(FromProto(welcome.reconnect_within())));
  link_->welcomed = true;
  run_->stats->welcome_latency.Add(std::chrono::nanoseconds(now - link_->began));
  if (kind_ != NodeKind::kHostile) run_->stats->Arrive(now);
}

void Node::TakeAck(const v1::EventAck& ack, std::int64_t now) {
  Counters& counters = run_->stats->counters;
  counters.event_acks.fetch_add(1, std::memory_order_relaxed);
  for (const v1::EventCursor& cursor : ack.cursors()) {
    // Others are of earlier runs, whose events are gone with them.
    if (cursor.epoch() != run_->epoch || kind_ == NodeKind::kHostile) continue;
    bool invented = false;
    const auto gone = book_.Acknowledge(cursor.seq(), &invented);
    if (invented) run_->stats->Error("an acknowledgement of what was never sent");
    if (run_->journal != nullptr) run_->journal->Acked(name_.id, cursor.epoch(), cursor.seq());
    for (const EventBook::Record& record : gone) {
      run_->stats->ack_latency.Add(std::chrono::nanoseconds(now - record.event.mono_ns));
    }
    counters.events_acked.fetch_add(static_cast<std::int64_t>(gone.size()),
                                    std::memory_order_relaxed);
  }
}

void Node::TakeAnswers(std::vector<OrderDesk::Answer> answers, std::int64_t now) {
  Counters& counters = run_->stats->counters;
  (answers.empty() ? counters.repeated_orders : counters.orders)
      .fetch_add(1, std::memory_order_relaxed);
  for (OrderDesk::Answer& answer : answers) {
    if (answer.after.count() == 0) {
      Record(std::move(answer), now);
      continue;
    }
    Later later{now + answer.after.count(), std::move(answer)};
    const auto place =
        std::upper_bound(later_.begin(), later_.end(), later.at,
                         [](std::int64_t at, const Later& other) { return at < other.at; });
    later_.insert(place, std::move(later));
  }
}

void Node::Record(OrderDesk::Answer answer, std::int64_t now) {
  if (answer.restarts) table_.Restart(*answer.restarts);
  if (answer.event.kind == v1::EVENT_KIND_VERDICT) {
    run_->stats->counters.verdicts.fetch_add(1, std::memory_order_relaxed);
  }
  AddEvent(std::move(answer.event), now);
}

void Node::AddEvent(SimEvent event, std::int64_t now) {
  event.mono_ns = now;
  event.wall_ns = WallNs();
  const std::int64_t lost = book_.lost();
  book_.Add(std::move(event));
  run_->stats->counters.events_made.fetch_add(1, std::memory_order_relaxed);
  if (book_.lost() != lost) {
    run_->stats->counters.events_lost.fetch_add(book_.lost() - lost, std::memory_order_relaxed);
  }
}

// --- What the node says

void Node::Pump(std::int64_t now) {
  if (link_ == nullptr || link_->cut || link_->writing || said_goodbye_) return;
  if (kind_ == NodeKind::kHostile) {
    if (link_->welcomed || plan_.before_hello) PumpHostile(now);
    return;
  }
  if (!link_->welcomed) return;
  v1::SessionRequest request;
  if (NextMessage(now, &request)) Write(ToBytes(request), now);
}

bool Node::NextMessage(std::int64_t now, v1::SessionRequest* request) {
  if (stopping_) {
    request->mutable_goodbye()->set_reason("the simulation ends");
    said_goodbye_ = true;
    cut_at_ = now + 5 * kSecond;
    return true;
  }
  if (!replies_.empty()) {
    *request->mutable_detail() = std::move(replies_.front());
    replies_.pop_front();
    return true;
  }
  const bool rows = RowsDue(now);
  // Rows and events take turns, so that neither starves; what was made before the Welcome goes
  // first.
  if (book_.HasUnsent() && !(rows && rows_turn_)) {
    FillEvents(request);
    rows_turn_ = true;
    return true;
  }
  if (rows) {
    rows_turn_ = false;
    return NextRows(now, request);
  }
  if (now < heartbeat_at_) return false;
  FillHeartbeat(now, request->mutable_heartbeat());
  run_->stats->counters.heartbeats.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Node::RowsDue(std::int64_t now) const {
  if (book_.HasUnsent() && book_.UnsentFrom() <= replay_until_) return false;
  if (!snapshot_begun_) return now >= snapshot_at_;
  return table_.SnapshotUnderWay() || (table_.HasChanges() && now >= delta_at_);
}

bool Node::NextRows(std::int64_t now, v1::SessionRequest* request) {
  if (!snapshot_begun_) {
    table_.BeginSnapshot();
    snapshot_begun_ = true;
  }
  if (table_.SnapshotUnderWay()) {
    table_.FillPiece(request->mutable_snapshot_chunk());
    if (request->snapshot_chunk().last()) {
      run_->stats->counters.snapshots.fetch_add(1, std::memory_order_relaxed);
    }
    return true;
  }
  table_.FillDelta(request->mutable_delta());
  delta_at_ = now + kDeltaEvery;
  run_->stats->counters.deltas.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Node::FillEvents(v1::SessionRequest* request) {
  constexpr std::size_t kLeastBytes = 400;
  const std::size_t most =
      std::max<std::size_t>(kBatchBytes / std::max(run_->event_bytes, kLeastBytes), 1);
  const auto records = book_.TakeUnsent(most);
  v1::EventBatch* const batch = request->mutable_events();
  std::int64_t first = 0;
  for (const EventBook::Record* record : records) {
    *batch->add_events() = MakeEvent(name_, table_, run_->epoch, *record, run_->event_bytes);
    const bool lost = record->event.kind == v1::EVENT_KIND_EVENTS_LOST;
    if (run_->journal == nullptr) continue;
    if (!lost && first == 0) first = record->first;
    const bool last = record == records.back();
    if (lost) {
      if (first != 0) run_->journal->Sent(name_.id, run_->epoch, first, record->first - 1);
      first = 0;
      run_->journal->Lost(name_.id, run_->epoch, record->first, record->last);
    } else if (last) {
      run_->journal->Sent(name_.id, run_->epoch, first, record->last);
    }
  }
  run_->stats->counters.events_sent.fetch_add(static_cast<std::int64_t>(records.size()),
                                              std::memory_order_relaxed);
}

void Node::FillHeartbeat(std::int64_t now, v1::NodeHeartbeat* heartbeat) const {
  heartbeat->set_revision(table_.revision());
  heartbeat->set_events_waiting(static_cast<std::int64_t>(book_.waiting()));
  *heartbeat->mutable_clock() = ToProto(std::chrono::system_clock::now());
  if (controller_clock_) {
    *heartbeat->mutable_echo() = *controller_clock_;
    *heartbeat->mutable_echo_age() =
        ToProto(std::chrono::nanoseconds(now - controller_clock_came_));
  }
  heartbeat->set_load_per_mille(250);
  *heartbeat->mutable_lag() = ToProto(std::chrono::nanoseconds(kMillisecond));
}

bool Node::PumpHostile(std::int64_t now) {
  const std::size_t all = plan_.messages.size() * static_cast<std::size_t>(plan_.times);
  if (plan_at_ < all) {
    const std::string& bytes = plan_.messages[plan_at_++ % plan_.messages.size()];
    const grpc::Slice slice(bytes);
    Write(grpc::ByteBuffer(&slice, 1), now);
    return true;
  }
  // All is sent: the controller has a second to answer, or none at all.
  const bool at_once = all == 0 && !plan_.before_hello;
  if (all > 0 || at_once) cut_at_ = std::min(cut_at_, at_once ? now : now + kSecond);
  return false;
}

// --- Time

void Node::OnTimer(std::int64_t now) {
  if (now >= connect_at_ && link_ == nullptr && !at_gate_ && !stopping_) {
    if (kind_ == NodeKind::kHostile) {
      Connect(now);
    } else if (gate_->Enter(this)) {
      Admit(now);
    } else {
      at_gate_ = true;
      run_->stats->counters.held_back.fetch_add(1, std::memory_order_relaxed);
    }
  }
  while (!later_.empty() && later_.front().at <= now) {
    OrderDesk::Answer answer = std::move(later_.front().answer);
    later_.erase(later_.begin());
    Record(std::move(answer), now);
  }
  if (link_ == nullptr || link_->cut) return;
  if (now >= read_at_) {
    read_at_ = kNever;
    if (!link_->reading) Read();
  }
  const bool no_welcome = !link_->welcomed && now - link_->began >= kWelcomeTime;
  // As a real node: a controller that says nothing for so long is none.
  const bool silent = link_->welcomed && kind_ == NodeKind::kPlain && heartbeat_interval_ > 0 &&
                      now - heard_ >= 3 * heartbeat_interval_;
  if (now >= cut_at_ || no_welcome || silent) {
    if (no_welcome) run_->stats->Error("no Welcome within 30 s");
    if (silent) run_->stats->Error("the controller was silent for three heartbeats");
    Cut();
  }
  Pump(now);
}

std::int64_t Node::Due() const {
  std::int64_t due = later_.empty() ? kNever : later_.front().at;
  if (link_ == nullptr) return std::min(due, stopping_ || at_gate_ ? kNever : connect_at_);
  // Nothing is due of a link that is on its way out.
  if (link_->cut) return due;
  due = std::min({due, read_at_, cut_at_});
  if (said_goodbye_) return due;
  if (!link_->welcomed) return std::min(due, link_->began + kWelcomeTime);
  if (kind_ == NodeKind::kPlain && heartbeat_interval_ > 0) {
    due = std::min(due, heard_ + 3 * heartbeat_interval_);
  }
  // While something is being written its end wakes the node up.
  if (link_->writing || kind_ == NodeKind::kHostile) return due;
  due = std::min(due, heartbeat_at_);
  if (!snapshot_begun_) due = std::min(due, snapshot_at_);
  if (snapshot_begun_ && table_.HasChanges()) due = std::min(due, delta_at_);
  return due;
}

void Node::MakeEvents(int count, std::int64_t now) {
  if (kind_ == NodeKind::kHostile || stopping_) return;
  for (int i = 0; i < count; ++i) {
    SimEvent event;
    event.kind = v1::EVENT_KIND_NEAR_MISS;
    if (table_.size() > 0) {
      event.slot = static_cast<std::uint32_t>(random_()) % table_.size();
      event.generation = table_.Generation(event.slot);
    }
    AddEvent(std::move(event), now);
  }
  Pump(now);
}

void Node::Churn(std::int64_t now) {
  if (kind_ == NodeKind::kHostile || stopping_) return;
  const double which = Unit();
  table_.Churn(which, Unit());
  Pump(now);
}

void Node::Stop(std::int64_t now) {
  stopping_ = true;
  if (link_ == nullptr) return;
  if (!link_->welcomed || kind_ != NodeKind::kPlain) return Cut();
  Pump(now);
}

void Node::Cut() {
  if (link_ == nullptr) return;
  link_->cut = true;
  link_->context.TryCancel();
}

}  // namespace procctl::fleetsim
