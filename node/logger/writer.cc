#include "node/logger/writer.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "node/logger/journal_sink.h"
#include "node/logger/log_file.h"
#include "node/os/clock.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::logger {

using node::MonoNow;
using node::MonoTime;
using node::Nanos;

Writer::Writer(Listener listener, const std::string& journal_socket)
    : listener_(std::move(listener)), journal_(journal_socket), thread_([this] { Run(); }) {}

Writer::~Writer() {
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

LaneId Writer::Open(const std::string& label, std::shared_ptr<Outlet> outlet, size_t limit,
                    std::shared_ptr<Ledger> ledger) {
  const absl::MutexLock lock(&mutex_);
  const LaneId id = backlog_.Open(limit);
  routes_[id] = {label, std::move(outlet), std::move(ledger)};
  return id;
}

void Writer::SetLimit(LaneId id, size_t limit) {
  const absl::MutexLock lock(&mutex_);
  backlog_.SetLimit(id, limit);
}

void Writer::Close(LaneId id) {
  const absl::MutexLock lock(&mutex_);
  backlog_.Close(id);
  changed_.SignalAll();  // its file may be closed
}

void Writer::Put(LaneId id, int64_t source, std::string_view bytes) {
  const absl::MutexLock lock(&mutex_);
  for (const Backlog::Dropped& dropped : backlog_.Put(id, source, bytes)) {
    const Route& route = routes_.at(dropped.lane);
    const auto trouble = troubles_.find(route.outlet.get());
    lost_.push_back({route.label, dropped.bytes,
                     trouble != troubles_.end()
                         ? trouble->second.why
                         : fmt::format("{} takes it too slowly", route.outlet->name())});
  }
  changed_.SignalAll();
}

void Writer::AddLost(LaneId id, int64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  backlog_.AddLost(id, bytes);
  changed_.SignalAll();
}

bool Writer::Wants(LaneId id) const {
  const absl::MutexLock lock(&mutex_);
  if (backlog_.Roomy(id) || troubles_.count(routes_.at(id).outlet.get()) != 0) return true;
  if (writing_since_ && MonoNow() - *writing_since_ > kStall) return true;
  room_wanted_ = true;
  return false;
}

std::vector<Writer::Lost> Writer::TakeLost() {
  const absl::MutexLock lock(&mutex_);
  return std::exchange(lost_, {});
}

bool Writer::busy() const {
  const absl::MutexLock lock(&mutex_);
  return !backlog_.idle();
}

void Writer::CheckStall() {
  Route stalled;
  {
    const absl::MutexLock lock(&mutex_);
    if (stall_told_ || !writing_since_ || MonoNow() - *writing_since_ <= kStallTold) return;
    stalled = writing_;
    // What is in trouble already is known.
    if (troubles_.count(stalled.outlet.get()) != 0) return;
    stall_told_ = true;
  }
  listener_.trouble(
      stalled.label,
      fmt::format("{} does not answer: its disk is frozen or slow", stalled.outlet->path()), false);
}

bool Writer::Finish(Nanos patience) {
  const MonoTime deadline = MonoNow() + patience;
  const absl::MutexLock lock(&mutex_);
  while (!backlog_.idle()) {
    const MonoTime now = MonoNow();
    const Nanos left = deadline - now;
    // Also where what is left can only be tried again later.
    const bool soon = writing_since_ || now < journal_pause_until_ || NextLocked(now);
    if (left <= Nanos(0) || !soon) return false;
    changed_.WaitWithTimeout(&mutex_, absl::FromChrono(left));
  }
  return true;
}

std::optional<LaneId> Writer::NextLocked(MonoTime now) const {
  return backlog_.Next([&](LaneId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Outlet* const outlet = routes_.at(id).outlet.get();
    if (outlet->is_journal() && now < journal_pause_until_) return false;
    const auto trouble = troubles_.find(outlet);
    return trouble == troubles_.end() || now >= trouble->second.retry_at;
  });
}

void Writer::ForgetClosedLocked() {
  if (routes_.size() == backlog_.lanes()) return;
  for (auto route = routes_.begin(); route != routes_.end();) {
    route = backlog_.Exists(route->first) ? std::next(route) : routes_.erase(route);
  }
  const auto used = [this](const Outlet* outlet) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::any_of(routes_.begin(), routes_.end(),
                       [&](const auto& route) { return route.second.outlet.get() == outlet; });
  };
  for (auto sink = sinks_.begin(); sink != sinks_.end();) {
    if (used(sink->first)) {
      ++sink;
    } else {
      troubles_.erase(sink->first);
      sink = sinks_.erase(sink);
    }
  }
}

void Writer::PauseJournalLocked(bool busy, bool moved) {
  if (!busy) {
    journal_pause_ = Nanos(0);
    return;
  }
  journal_pause_ = moved ? kFirstPause : std::clamp(2 * journal_pause_, kFirstPause, kMostPause);
  journal_pause_until_ = MonoNow() + journal_pause_;
}

bool Writer::WriteOneLocked() {
  const MonoTime now = MonoNow();
  const auto id = NextLocked(now);
  if (!id) return false;
  const Route route = routes_.at(*id);
  std::unique_ptr<Sink>& sink = sinks_[route.outlet.get()];
  if (!sink && route.outlet->is_journal()) {
    sink = std::make_unique<JournalSink>(route.outlet, &journal_);
  } else if (!sink) {
    sink = std::make_unique<LogFile>(route.outlet);
  }
  Piece piece = backlog_.Take(*id);
  const int64_t before = piece.lost_before + static_cast<int64_t>(piece.bytes.size());
  writing_since_ = now;
  writing_ = route;

  mutex_.Unlock();
  const absl::Status status = sink->Write(&piece, now);
  const int64_t left = piece.lost_before + static_cast<int64_t>(piece.bytes.size());
  if (route.ledger) route.ledger->Settle(before - left);
  if (left < before) {
    route.outlet->Written();
    listener_.written();
  }
  mutex_.Lock();

  writing_since_.reset();
  writing_ = {};
  const bool told = std::exchange(stall_told_, false);
  const bool wake = std::exchange(room_wanted_, false);
  std::optional<Trouble> tell;
  const bool busy = absl::IsResourceExhausted(status);
  const bool works = status.ok() || (busy && left < before);
  if (route.outlet->is_journal()) PauseJournalLocked(busy, left < before);
  if (status.ok() && left == 0) {
    backlog_.Done();
  } else {
    backlog_.PutBack(std::move(piece));
  }
  if (works) {
    if (const auto known = troubles_.find(route.outlet.get()); known != troubles_.end()) {
      tell = known->second;
      troubles_.erase(known);
    } else if (told) {
      tell = {{}, route.label, fmt::format("{} did not answer", route.outlet->name())};
    }
  } else if (!busy) {
    Trouble& trouble = troubles_[route.outlet.get()];
    trouble.retry_at = MonoNow() + kRetry;
    if (trouble.label.empty()) {
      trouble.label = route.label;
      trouble.why = std::string(status.message());
      if (!told) tell = trouble;
    }
  }
  changed_.SignalAll();
  if (tell || wake) {
    mutex_.Unlock();
    if (tell) listener_.trouble(tell->label, tell->why, works);
    if (wake) listener_.room();
    mutex_.Lock();
  }
  return true;
}

std::optional<MonoTime> Writer::RetryAtLocked() const {
  std::optional<MonoTime> first;
  for (const auto& [id, route] : routes_) {
    if (!backlog_.Holds(id)) continue;
    MonoTime at;
    if (const auto trouble = troubles_.find(route.outlet.get()); trouble != troubles_.end())
      at = trouble->second.retry_at;
    if (route.outlet->is_journal()) at = std::max(at, journal_pause_until_);
    first = first ? std::min(*first, at) : at;
  }
  return first;
}

void Writer::Run() {
  const absl::MutexLock lock(&mutex_);
  while (!stop_) {
    ForgetClosedLocked();
    if (WriteOneLocked()) continue;
    const std::optional<MonoTime> retry_at = RetryAtLocked();
    if (backlog_.idle() || !retry_at) {
      changed_.Wait(&mutex_);
    } else {
      changed_.WaitWithTimeout(&mutex_, absl::FromChrono(*retry_at - MonoNow()));
    }
  }
}

}  // namespace procctl::logger
