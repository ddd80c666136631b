#include "node/uplink/spool.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace procctl::uplink {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);
// Rows of one commit: enough to make the fsync cheap, small enough to be done soon.
constexpr std::size_t kMaxCommit = 2'000;
constexpr std::size_t kMaxCommitBytes = 4 << 20;

SpooledEvent ToSpooled(const v1::Event& event) {
  SpooledEvent spooled;
  spooled.position = PositionOf(event);
  spooled.body = event.SerializeAsString();
  if (event.kind() == v1::EVENT_KIND_VERDICT) spooled.decided_order = event.order_id();
  spooled.first_seq = FirstSeq(event);
  return spooled;
}

}  // namespace

Spool::Spool(SpoolOptions options, SpoolListener* listener)
    : options_(std::move(options)), listener_(listener) {}

Spool::~Spool() {
  if (thread_.joinable()) (void)Stop(std::chrono::hours(1));
}

void Spool::Start(std::chrono::milliseconds patience) {
  thread_ = std::thread([this] { Run(); });
  absl::MutexLock lock(&mutex_);
  (void)mutex_.AwaitWithTimeout(absl::Condition(&tried_open_), absl::FromChrono(patience));
}

bool Spool::Stop(std::chrono::milliseconds patience) {
  bool ended = false;
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    ended = mutex_.AwaitWithTimeout(absl::Condition(&ended_), absl::FromChrono(patience));
  }
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
  return ended;
}

void Spool::Add(const v1::Event& event) {
  absl::MutexLock lock(&mutex_);
  PushBackLocked(ToSpooled(event));
}

void Spool::PushBackLocked(SpooledEvent event) {
  queued_bytes_ += event.body.size();
  queue_.push_back(std::move(event));
}

void Spool::PushFrontLocked(SpooledEvent event) {
  queued_bytes_ += event.body.size();
  queue_.push_front(std::move(event));
}

SpooledEvent Spool::PopFrontLocked() {
  SpooledEvent event = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= event.body.size();
  return event;
}

bool Spool::Full() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size() >= kMaxQueued || queued_bytes_ >= kMaxQueuedBytes;
}

bool Spool::Broken() const {
  absl::MutexLock lock(&mutex_);
  return broken_;
}

void Spool::Acknowledge(EventPosition upto) {
  absl::MutexLock lock(&mutex_);
  // A disk slower than the controller would be given these for nothing, and one that is stuck would
  // let them pile up.
  while (!queue_.empty() && queue_.front().position.epoch == upto.epoch &&
         queue_.front().position.seq <= upto.seq) {
    SpooledEvent front = PopFrontLocked();
    if (front.position.epoch == options_.guardian_epoch) covered_seq_ = front.position.seq;
    if (!front.decided_order.empty()) decided_orders_.push_back(std::move(front.decided_order));
  }
  for (EventPosition& known : acknowledged_) {
    if (known.epoch != upto.epoch) continue;
    known.seq = std::max(known.seq, upto.seq);
    return;
  }
  acknowledged_.push_back(upto);
}

void Spool::Request(const EventWindow::Page& page) {
  absl::MutexLock lock(&mutex_);
  page_ = page;
}

std::uint64_t Spool::AddIntent(OrderRecord record) {
  absl::MutexLock lock(&mutex_);
  intents_.push_back(std::move(record));
  return ++last_ticket_;
}

bool Spool::SaveFence(const Fence& fence, std::chrono::milliseconds patience) {
  absl::MutexLock lock(&mutex_);
  fence_ = fence;
  const std::int64_t version = ++wanted_fence_;
  const auto settled = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return saved_fence_ >= version || broken_;
  };
  (void)mutex_.AwaitWithTimeout(absl::Condition(&settled), absl::FromChrono(patience));
  return saved_fence_ >= version;
}

std::optional<HeldSpans> Spool::Held() const {
  absl::MutexLock lock(&mutex_);
  if (!loaded_) return std::nullopt;
  HeldSpans held = held_;
  for (const SpooledEvent& event : queue_) AddTo(event, &held);
  return held;
}

std::int64_t Spool::waiting() const {
  absl::MutexLock lock(&mutex_);
  return rows_ + static_cast<std::int64_t>(queue_.size());
}

bool Spool::HasWorkLocked() const {
  return !queue_.empty() || covered_seq_ > 0 || !decided_orders_.empty() ||
         !acknowledged_.empty() || !intents_.empty() || wanted_fence_ > saved_fence_;
}

bool Spool::IdleLocked() const {
  return !stop_ && (broken_ || (!page_.has_value() && !HasWorkLocked()));
}

void Spool::Run() {
  absl::MutexLock lock(&mutex_);
  absl::Time retry_at = absl::InfinitePast();
  const auto wake = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !IdleLocked(); };
  for (;;) {
    const bool retry = absl::Now() >= retry_at;
    if (db_ == nullptr && (retry || stop_)) OpenLocked();
    if (db_ != nullptr && HasWorkLocked() && (!broken_ || retry || stop_)) WriteLocked();
    if (page_.has_value() && (!broken_ || retry)) PageLocked();
    if (stop_ && (broken_ || !HasWorkLocked())) break;
    if (broken_ && retry) retry_at = absl::Now() + kRetry;
    if (!broken_) retry_at = absl::InfinitePast();
    (void)mutex_.AwaitWithDeadline(absl::Condition(&wake),
                                   broken_ ? retry_at : absl::InfiniteFuture());
  }
  if (!queue_.empty()) {
    spdlog::error("spool: {} events could not be written before the end; the guardian keeps them",
                  queue_.size());
  }
  db_.reset();
  ended_ = true;
}

void Spool::OpenLocked() {
  SpoolContent content;
  mutex_.Unlock();
  absl::StatusOr<std::unique_ptr<SpoolDb>> db = SpoolDb::Open(options_, &content);
  mutex_.Lock();
  if (!db.ok()) {
    if (absl::IsDataLoss(db.status())) {
      ReplaceLocked(db.status());
    } else {
      FailedLocked(db.status());
    }
    if (db_ == nullptr) {
      tried_open_ = true;
      return;
    }
  } else {
    db_ = *std::move(db);
  }
  rows_ = db_->rows();
  held_ = db_->held();
  loaded_ = true;
  // Where another one is wanted already, the listener merges the two.
  if (wanted_fence_ == 0) {
    fence_ = content.fence;
    saved_fence_ = wanted_fence_ = 1;
  }
  // Only if the spool could not be opened at first: the guardian sent these again although they
  // were spooled before.
  while (!queue_.empty() && queue_.front().position.epoch == options_.guardian_epoch &&
         queue_.front().position.seq <= content.spooled_seq) {
    (void)PopFrontLocked();
  }
  page_.reset();
  WorksLocked();
  mutex_.Unlock();
  listener_->OnSpoolLoaded(std::move(content));
  mutex_.Lock();
  tried_open_ = true;
}

void Spool::WriteLocked() {
  SpoolBatch batch;
  // An order waits for its intent: that goes alone, without an fsync, ahead of a storm of events;
  // but not twice in a row, so that a storm of orders does not keep the events out.
  const bool intents_alone = !intents_.empty() && !intents_went_alone_;
  intents_went_alone_ = intents_alone;
  std::size_t bytes = 0;
  while (!intents_alone && !queue_.empty() && batch.events.size() < kMaxCommit &&
         bytes < kMaxCommitBytes) {
    bytes += queue_.front().body.size();
    batch.events.push_back(PopFrontLocked());
  }
  const std::size_t count = batch.events.size();
  batch.covered_seq = std::exchange(covered_seq_, 0);
  batch.decided_orders = std::exchange(decided_orders_, {});
  batch.acknowledged = std::exchange(acknowledged_, {});
  batch.intents = std::exchange(intents_, {});
  const std::uint64_t ticket = last_ticket_;
  const std::int64_t fence = wanted_fence_;
  if (fence > saved_fence_) batch.fence = fence_;
  // They count as waiting while the disk works.
  rows_ += static_cast<std::int64_t>(count);
  for (const SpooledEvent& event : batch.events) AddTo(event, &held_);

  mutex_.Unlock();
  absl::StatusOr<std::vector<v1::Event>> folded = db_->Apply(batch);
  mutex_.Lock();
  if (!folded.ok()) {
    rows_ -= static_cast<std::int64_t>(count);
    for (auto event = batch.events.rbegin(); event != batch.events.rend(); ++event) {
      PushFrontLocked(std::move(*event));
    }
    covered_seq_ = std::max(covered_seq_, batch.covered_seq);
    decided_orders_.insert(decided_orders_.begin(), batch.decided_orders.begin(),
                           batch.decided_orders.end());
    acknowledged_.insert(acknowledged_.begin(), batch.acknowledged.begin(),
                         batch.acknowledged.end());
    intents_.insert(intents_.begin(), std::make_move_iterator(batch.intents.begin()),
                    std::make_move_iterator(batch.intents.end()));
    if (absl::IsDataLoss(folded.status())) {
      ReplaceLocked(folded.status());
    } else {
      FailedLocked(folded.status());
    }
    return;
  }
  WorksLocked();
  rows_ = db_->rows();
  held_ = db_->held();
  if (batch.fence.has_value()) saved_fence_ = fence;
  std::int64_t spooled = batch.covered_seq;
  for (const SpooledEvent& event : batch.events) {
    if (event.position.epoch != options_.guardian_epoch) continue;
    spooled = std::max(spooled, event.position.seq);
  }
  mutex_.Unlock();
  if (!folded->empty()) listener_->OnFolded(*std::move(folded));
  if (!batch.intents.empty()) listener_->OnIntentsWritten(ticket);
  if (count > 0 || spooled > 0) listener_->OnSpooled(spooled);
  mutex_.Lock();
}

void Spool::PageLocked() {
  const EventWindow::Page page = *std::exchange(page_, std::nullopt);
  std::vector<v1::Event> events;
  if (db_ != nullptr) {
    mutex_.Unlock();
    absl::StatusOr<std::vector<v1::Event>> read =
        db_->Read(page.after, page.limit, page.limit_bytes);
    mutex_.Lock();
    if (!read.ok()) {
      if (absl::IsDataLoss(read.status())) {
        ReplaceLocked(read.status());
      } else {
        FailedLocked(read.status());
      }
      if (!page_.has_value()) page_ = page;  // For the next try, unless a newer one came meanwhile.
      return;
    }
    if (!HasWorkLocked()) WorksLocked();
    events = *std::move(read);
  }
  std::size_t bytes = 0;
  for (const v1::Event& event : events) bytes += event.ByteSizeLong();
  const auto full = [&] { return events.size() >= page.limit || bytes >= page.limit_bytes; };
  // What is not on disk yet stands behind what is.
  for (const SpooledEvent& queued : queue_) {
    if (full()) break;
    if (queued.position <= page.after) continue;
    v1::Event event;
    if (!event.ParseFromString(queued.body)) continue;
    bytes += queued.body.size();
    events.push_back(std::move(event));
  }
  const bool all = !full();
  const EventPosition scanned = all ? page.newest : PositionOf(events.back());
  mutex_.Unlock();
  listener_->OnPage(page.after, std::move(events), scanned);
  mutex_.Lock();
}

void Spool::FailedLocked(const absl::Status& status) {
  if (!broken_) {
    spdlog::error(
        "{}; check space, permissions and mount of {}; events stay in memory and with the "
        "guardian, "
        "retrying every second",
        std::string(status.message()), options_.state_dir);
  }
  broken_ = true;
}

void Spool::WorksLocked() {
  if (broken_) spdlog::info("spool: {}/spool.db can be written again", options_.state_dir);
  broken_ = false;
}

void Spool::ReplaceLocked(const absl::Status& why) {
  db_.reset();
  held_.clear();
  mutex_.Unlock();
  const absl::StatusOr<std::string> aside = SpoolDb::SetAside(options_);
  SpoolContent content;
  absl::StatusOr<std::unique_ptr<SpoolDb>> fresh =
      aside.ok() ? SpoolDb::Open(options_, &content)
                 : absl::StatusOr<std::unique_ptr<SpoolDb>>(aside.status());
  mutex_.Lock();
  if (!fresh.ok()) {
    FailedLocked(fresh.status());
    return;
  }
  spdlog::error(
      "{}; moved it to {} and started an empty one: what was in it and not yet at a controller is "
      "recorded as lost",
      std::string(why.message()), *aside);
  db_ = *std::move(fresh);
  rows_ = 0;
  saved_fence_ = 0;
  broken_ = false;
  mutex_.Unlock();
  std::vector<v1::Event> rescued = listener_->OnSpoolReplaced();
  mutex_.Lock();
  // What is in the queue anyway stands behind them.
  while (!rescued.empty() && !queue_.empty() &&
         PositionOf(rescued.back()) >= queue_.front().position) {
    rescued.pop_back();
  }
  for (auto event = rescued.rbegin(); event != rescued.rend(); ++event) {
    PushFrontLocked(ToSpooled(*event));
  }
}

}  // namespace procctl::uplink
