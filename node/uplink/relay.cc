#include "node/uplink/relay.h"

#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/time.h"
#include "node/uplink/host_load.h"
#include "node/uplink/order_text.h"
#include "node/uplink/uuid.h"
#include "node/uplink/welcome_rules.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"
#include "spdlog/spdlog.h"

namespace procctl::uplink {
namespace {

using std::chrono::system_clock;

// A disk that takes longer is treated as one that fails: the session goes on, fenced by memory
// alone.
constexpr std::chrono::seconds kFenceWait{1};
constexpr std::int64_t kDefaultSpoolEvents = 1'000'000;
// Epochs in a Hello.
constexpr int kMostHeld = 1'000;
constexpr std::size_t kMostConflicts = 8;

SpoolOptions ToSpoolOptions(const v1::LinkHello& hello) {
  SpoolOptions options;
  options.state_dir = hello.state_dir();
  options.origin = {hello.node_id(), hello.boot_id()};
  options.guardian_epoch = hello.guardian_epoch();
  options.max_bytes = std::max<std::int64_t>(hello.spool_bytes(), 0);
  options.max_events = hello.spool_events() > 0 ? std::max<std::int64_t>(hello.spool_events(), 2)
                                                : kDefaultSpoolEvents;
  return options;
}

// Newest epochs first.
void FillHeld(const HeldSpans& spans, v1::Hello* hello) {
  for (auto it = spans.rbegin(); it != spans.rend() && hello->held_size() < kMostHeld; ++it) {
    v1::HeldEvents* held = hello->add_held();
    held->set_epoch(it->first);
    held->set_first(it->second.first);
    held->set_last(it->second.last);
  }
}

}  // namespace

Relay::Relay(const v1::LinkHello& hello, WakeFd* link_wake)
    : hello_(hello),
      origin_{hello.node_id(), hello.boot_id()},
      instance_(RandomUuid()),
      link_wake_(link_wake),
      random_(std::random_device{}()),
      spool_(ToSpoolOptions(hello), this) {}

double Relay::UnitLocked() { return std::uniform_real_distribution<double>(0, 1)(random_); }

// ---- Link

void Relay::OnSlots(v1::LinkSlots slots) {
  absl::MutexLock lock(&mutex_);
  const int nameless = slots_.Apply(std::move(slots), BootClock::now());
  if (nameless > 0) spdlog::error("link: {} rows without generation or label left out", nameless);
  ChangedLocked();
}

void Relay::OnEvents(v1::LinkEvents events) {
  absl::MutexLock lock(&mutex_);
  for (v1::Event& event : *events.mutable_events()) {
    const v1::EventId& id = event.id();
    if (id.origin() != hello_.node_id() || id.epoch() != hello_.guardian_epoch() || id.seq() <= 0) {
      spdlog::error("link: event {}:{}:{} is not of this guardian ({}, epoch {}); left out",
                    id.origin(), id.epoch(), id.seq(), hello_.node_id(), hello_.guardian_epoch());
      continue;
    }
    if (id.seq() <= received_) continue;
    const std::int64_t first = FirstSeq(event);
    // If the spool could not be opened, what the guardian does not send again may well be in there.
    const bool first_of_all = received_ == 0 && !spool_loaded_;
    if (first > received_ + 1 && !first_of_all) {
      spdlog::error("link: the guardian sent event {} after {}; recording what is missing as lost",
                    first, received_);
      AcceptLocked(MakeLost(origin_, id.epoch(), received_ + 1, first - 1,
                            "the guardian did not hand them over", system_clock::now()));
    }
    NarrowLost(received_ + 1, &event);
    AcceptLocked(std::move(event));
  }
  // Sent again although they are spooled: the guardian has not heard that they are.
  if (received_ <= spooled_) spooled_told_ = 0;
  WantPageLocked();
  ChangedLocked();
}

void Relay::AcceptLocked(v1::Event event) {
  received_ = event.id().seq();
  if (event.kind() == v1::EVENT_KIND_VERDICT && !event.order_id().empty()) {
    journal_.NoteVerdict(event.order_id());
  }
  spool_.Add(event);
  events_.Add(std::move(event));
}

void Relay::OnDetail(v1::DetailReply reply) {
  absl::MutexLock lock(&mutex_);
  std::optional<v1::DetailReply> answer = details_.Answer(std::move(reply), BootClock::now());
  if (!answer.has_value() || !outbox_.has_value()) return;
  outbox_->AddDetail(*std::move(answer));
  ChangedLocked();
}

void Relay::OnGoodbye(const v1::LinkGoodbye& goodbye) {
  absl::MutexLock lock(&mutex_);
  goodbye_.emplace().set_reason(goodbye.reason());
}

void Relay::OnMalformed() {
  absl::MutexLock lock(&mutex_);
  snapshot_request_ = true;
}

std::optional<v1::LinkDown> Relay::NextDown() {
  const BootTime now = BootClock::now();
  absl::MutexLock lock(&mutex_);
  // Before orders to stop: a hold waits for no disk, and one that comes behind such an order is
  // there to prevent what that would do.
  if (std::optional<v1::LinkDown> order = unjournaled_.Front(now)) return order;
  v1::LinkDown message;
  if (std::optional<PendingOrders::Ready> ready = orders_.Front(now)) {
    if (!ready->intent_written && !late_intent_logged_) {
      spdlog::warn(
          "order {}: the spool did not take its intent within {} ms; passing it, and those "
          "behind it, on anyway",
          Printable(ready->message.order().order_id()), kIntentWait.count());
      late_intent_logged_ = true;
    }
    *message.mutable_order() = std::move(ready->message);
    return message;
  }
  if (spooled_ > spooled_told_) {
    message.mutable_spooled()->set_epoch(hello_.guardian_epoch());
    message.mutable_spooled()->set_seq(spooled_);
    return message;
  }
  if (std::optional<v1::DetailRequest> detail = details_.Front(now)) {
    *message.mutable_detail() = *std::move(detail);
    return message;
  }
  if (snapshot_request_) {
    (void)message.mutable_snapshot_request();
    return message;
  }
  if (!conflicts_.empty()) {
    message.mutable_conflict()->set_message(conflicts_.front());
    return message;
  }
  return std::nullopt;
}

void Relay::DownSent(const v1::LinkDown& message) {
  absl::MutexLock lock(&mutex_);
  switch (message.message_case()) {
    case v1::LinkDown::kOrder:
      orders_.Pop();
      break;
    case v1::LinkDown::kSpooled:
      spooled_told_ = message.spooled().seq();
      break;
    case v1::LinkDown::kSnapshotRequest:
      snapshot_request_ = false;
      break;
    case v1::LinkDown::kHold:
    case v1::LinkDown::kProgram:
      unjournaled_.Pop();
      break;
    case v1::LinkDown::kDetail:
      details_.Asked(message.detail());
      break;
    case v1::LinkDown::kConflict:
      conflicts_.pop_front();
      break;
    case v1::LinkDown::MESSAGE_NOT_SET:
      break;
  }
}

std::optional<BootTime> Relay::DownDueAt() const {
  absl::MutexLock lock(&mutex_);
  return orders_.NextDeadline();
}

// ---- Session

v1::Hello Relay::BeginSession() {
  v1::Hello hello;
  hello.set_node_id(hello_.node_id());
  hello.set_protocol_min(kProtocolMin);
  hello.set_protocol_max(kProtocolMax);
  hello.set_software_version(kVersion);
  hello.set_boot_id(hello_.boot_id());
  hello.set_guardian_epoch(hello_.guardian_epoch());
  utsname host{};
  if (uname(&host) == 0) {
    hello.set_hostname(Escape(host.nodename));
    hello.set_kernel(Escape(host.release));
  }
  hello.set_guardian_uid(hello_.guardian_uid());
  hello.set_mode(hello_.mode());
  *hello.mutable_clock() = ToProto(system_clock::now());
  hello.add_features("holds");
  hello.add_features("details");
  hello.add_features("programs");
  hello.add_features("drain");
  hello.set_instance(instance_);
  absl::MutexLock lock(&mutex_);
  if (const std::optional<HeldSpans> held = spool_.Held()) FillHeld(*held, &hello);
  hello.set_max_session_epoch(fence_.max_session_epoch);
  outbox_.reset();
  details_.Clear();
  slots_.StopTracking();
  session_over_ = false;
  return hello;
}

absl::Status Relay::JudgeLocked(const v1::Welcome& welcome) {
  absl::Status status = CheckFence(welcome, fence_);
  if (status.ok()) return status;
  const std::string why(status.message());
  if (conflicts_.size() < kMostConflicts && conflict_notes_.Tell(why, BootClock::now())) {
    conflicts_.push_back(why);
    link_wake_->Wake();
  }
  return status;
}

absl::Status Relay::OnWelcome(const v1::Welcome& welcome) {
  if (absl::Status status = CheckWelcome(welcome); !status.ok()) return status;
  Fence fence;
  {
    absl::MutexLock lock(&mutex_);
    if (absl::Status status = JudgeLocked(welcome); !status.ok()) return status;
    NoteWelcome(welcome, &fence_);
    fence = fence_;
  }
  // Before the session is used: else this node, after a crash, could fall back to a controller that
  // is behind this one. Not under the lock: the disk works meanwhile.
  if (!spool_.SaveFence(fence, kFenceWait)) {
    spdlog::warn("session: epoch {} is not on disk yet; it holds until this uplink ends",
                 welcome.session_epoch());
  }
  absl::MutexLock lock(&mutex_);
  for (const v1::EventCursor& cursor : welcome.cursors()) {
    AcknowledgeLocked({cursor.epoch(), cursor.seq()});
  }
  welcome_ = welcome;
  welcome_.clear_cursors();
  outbox_.emplace(welcome, events_.newest(), origin_, BootClock::now(), UnitLocked());
  WantPageLocked();
  ChangedLocked();
  return absl::OkStatus();
}

void Relay::AcknowledgeLocked(EventPosition upto) {
  events_.Acknowledge(upto);
  spool_.Acknowledge(upto);
  if (upto.epoch != hello_.guardian_epoch()) return;
  // What the guardian will send again of that (its ring knows no controller) is not new.
  received_ = std::max(received_, upto.seq);
  // The spool is about to say so itself; where it cannot, the controller's word is as good.
  if (spool_.Broken()) spooled_ = std::max(spooled_, upto.seq);
  // There may be room in the spool's queue again.
  link_wake_->Wake();
}

void Relay::OnEventAck(const v1::EventAck& ack) {
  absl::MutexLock lock(&mutex_);
  if (!outbox_.has_value()) return;
  for (const v1::EventCursor& cursor : ack.cursors()) {
    const std::int64_t sent = outbox_->sent(cursor.epoch());
    if (cursor.seq() > sent) {
      spdlog::error("session: the controller acknowledged event {}:{}, but only {} was sent",
                    cursor.epoch(), cursor.seq(), sent);
    }
    const std::int64_t seq = std::min(cursor.seq(), sent);
    if (seq > 0) AcknowledgeLocked({cursor.epoch(), seq});
  }
  WantPageLocked();
}

void Relay::OnOrder(v1::Order order) {
  const BootTime received = BootClock::now();
  absl::MutexLock lock(&mutex_);
  FitForLink(&order);
  const std::string order_id = order.order_id();
  const bool journalled = IsOrderId(order_id);
  const OrderRoute route =
      journalled ? journal_.Route(order_id, hello_.guardian_epoch()) : OrderRoute::kAgain;
  if (route == OrderRoute::kDecided) {
    spdlog::info("order {}: repeated; its verdict is on its way or delivered", Printable(order_id));
    return;
  }
  std::uint64_t ticket = 0;
  if (route == OrderRoute::kFirst) {
    const OrderRecord record{order_id, hello_.guardian_epoch(), false};
    journal_.Note(record);
    ticket = spool_.AddIntent(record);
  }
  const bool from_earlier = route == OrderRoute::kFromEarlierGuardian;
  if (!orders_.Add(std::move(order), from_earlier, ticket, received)) {
    spdlog::error("order {}: not passed on, the guardian has not taken {} orders before it",
                  Printable(order_id), orders_.size());
    return;
  }
  // An order that waits for its intent wakes the link when that is written, or at its deadline,
  // which the link learns of here unless it knows an earlier one.
  if (ticket == 0 || orders_.size() == 1) link_wake_->Wake();
}

void Relay::OnHold(v1::HoldOrder order) { PassOn("hold", std::move(order)); }

void Relay::OnProgram(v1::ProgramOrder order) { PassOn("program order", std::move(order)); }

template <typename Order>
void Relay::PassOn(const char* what, Order order) {
  const BootTime received = BootClock::now();
  absl::MutexLock lock(&mutex_);
  FitForLink(&order);
  const std::string order_id = order.order_id();
  if (!unjournaled_.Add(std::move(order), received)) {
    spdlog::error("{} {}: not passed on, the guardian has not taken {} before it", what,
                  Printable(order_id), unjournaled_.size());
    return;
  }
  link_wake_->Wake();
}

void Relay::OnDetailRequest(v1::DetailRequest request) {
  absl::MutexLock lock(&mutex_);
  if (!outbox_.has_value()) return;
  FitForLink(&request);
  if (!details_.Add(std::move(request), BootClock::now())) {
    spdlog::warn("session: {} questions for details wait for the guardian; one more is left out",
                 details_.size());
    return;
  }
  link_wake_->Wake();
}

void Relay::OnResync(const v1::Resync& resync) {
  absl::MutexLock lock(&mutex_);
  spdlog::info("session: the controller asks for a new snapshot: {}", Printable(resync.reason()));
  if (outbox_.has_value()) outbox_->RequestSnapshot();
  ChangedLocked();
}

void Relay::OnHeartbeat(const v1::ControllerHeartbeat& heartbeat) {
  const BootTime now = BootClock::now();
  absl::MutexLock lock(&mutex_);
  if (outbox_.has_value()) outbox_->Heard(heartbeat, now);
}

std::optional<v1::SessionRequest> Relay::NextRequest() {
  absl::MutexLock lock(&mutex_);
  while (!session_over_) {
    if (finishing_) {
      const bool heard = outbox_.has_value();
      EndLocked();
      if (!heard || !goodbye_.has_value()) break;
      v1::SessionRequest request;
      *request.mutable_goodbye() = *goodbye_;
      return request;
    }
    BootTime wake = BootTime::max();
    const BootTime now = BootClock::now();
    if (outbox_.has_value()) {
      Outbox::Moment moment{now, system_clock::now(), UnitLocked(), spool_.waiting()};
      if (outbox_->HeartbeatDue(now)) {
        moment.load_per_mille = LoadPerMille();
        moment.lag = lag_;
      }
      std::optional<v1::SessionRequest> request = outbox_->Next(moment, events_, &slots_);
      if (request.has_value()) {
        if (request->has_heartbeat()) lag_ = {};
        return request;
      }
      wake = outbox_->WakeAt(events_, slots_);
    }
    if (wake == BootTime::max()) {
      changed_.Wait(&mutex_);
    } else {
      const bool timed_out = changed_.WaitWithTimeout(&mutex_, absl::FromChrono(wake - now));
      if (timed_out) NoteLatenessLocked(wake, BootClock::now());
    }
  }
  return std::nullopt;
}

void Relay::AwaitDelivered(std::chrono::milliseconds patience) {
  absl::MutexLock lock(&mutex_);
  const auto delivered = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !outbox_.has_value() || (events_.size() == 0 && !events_.beyond());
  };
  (void)mutex_.AwaitWithTimeout(absl::Condition(&delivered), absl::FromChrono(patience));
}

void Relay::FinishSession() {
  absl::MutexLock lock(&mutex_);
  finishing_ = true;
  ChangedLocked();
}

void Relay::EndSession() {
  absl::MutexLock lock(&mutex_);
  EndLocked();
}

void Relay::EndLocked() {
  session_over_ = true;
  outbox_.reset();
  details_.Clear();
  slots_.StopTracking();
  ChangedLocked();
}

void Relay::NoteLateness(BootTime due, BootTime now) {
  absl::MutexLock lock(&mutex_);
  NoteLatenessLocked(due, now);
}

void Relay::NoteLatenessLocked(BootTime due, BootTime now) { lag_ = std::max(lag_, now - due); }

// ---- Spool

void Relay::OnSpoolLoaded(SpoolContent content) {
  absl::MutexLock lock(&mutex_);
  spool_loaded_ = true;
  received_ = std::max(received_, content.spooled_seq);
  spooled_ = std::max(spooled_, content.spooled_seq);
  for (OrderRecord& order : content.orders) journal_.Note(std::move(order));
  const Fence known = fence_;
  MergeFence(content.fence, &fence_);
  if (fence_ != content.fence) (void)spool_.SaveFence(fence_, std::chrono::milliseconds(0));
  if (fence_ != known && !session_over_ && outbox_.has_value()) {
    if (absl::Status status = JudgeLocked(welcome_); !status.ok()) {
      spdlog::error("session: ending, as the spool, readable at last, shows: {}",
                    std::string(status.message()));
      session_over_ = true;
    }
  }
  // What came before the spool could be read stands in its queue: all is paged in again, in order.
  events_.Reset(content.newest);
  page_requested_ = false;
  WantPageLocked();
  ChangedLocked();
  link_wake_->Wake();
}

std::vector<v1::Event> Relay::OnSpoolReplaced() {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::Event> events;
  for (std::uint64_t i = events_.begin_index(); i < events_.end_index(); ++i) {
    events.push_back(events_.at(i));
  }
  return events;
}

void Relay::OnSpooled(std::int64_t seq) {
  absl::MutexLock lock(&mutex_);
  spooled_ = std::max(spooled_, seq);
  link_wake_->Wake();
}

void Relay::OnIntentsWritten(std::uint64_t ticket) {
  absl::MutexLock lock(&mutex_);
  orders_.IntentsWritten(ticket);
  late_intent_logged_ = false;
  link_wake_->Wake();
}

void Relay::OnFolded(std::vector<v1::Event> records) {
  absl::MutexLock lock(&mutex_);
  for (v1::Event& record : records) events_.Fold(std::move(record));
  WantPageLocked();
  ChangedLocked();
}

void Relay::OnPage(EventPosition after, std::vector<v1::Event> events, EventPosition scanned) {
  absl::MutexLock lock(&mutex_);
  page_requested_ = false;
  events_.Extend(after, std::move(events), scanned);
  WantPageLocked();
  ChangedLocked();
}

void Relay::WantPageLocked() {
  if (page_requested_) return;
  const std::optional<EventWindow::Page> page = events_.WantedPage();
  if (!page.has_value()) return;
  page_requested_ = true;
  spool_.Request(*page);
}

}  // namespace procctl::uplink
