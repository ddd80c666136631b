#include "node/logger/writer.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "node/os/clock.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::logger {

using node::MonoNow;
using node::MonoTime;
using node::Nanos;

Writer::Writer(Listener listener) : listener_(std::move(listener)), thread_([this] { Run(); }) {}

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
                         : fmt::format("{} takes it too slowly", route.outlet->path())});
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
    const Nanos left = deadline - MonoNow();
    // Also where what is left can only be tried again later.
    if (left <= Nanos(0) || (!writing_since_ && !NextLocked())) return false;
    changed_.WaitWithTimeout(&mutex_, absl::FromChrono(left));
  }
  return true;
}

std::optional<LaneId> Writer::NextLocked() const {
  const MonoTime now = MonoNow();
  return backlog_.Next([&](LaneId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto trouble = troubles_.find(routes_.at(id).outlet.get());
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
  for (auto file = files_.begin(); file != files_.end();) {
    if (used(file->first)) {
      ++file;
    } else {
      troubles_.erase(file->first);
      file = files_.erase(file);
    }
  }
}

bool Writer::WriteOneLocked() {
  const auto id = NextLocked();
  if (!id) return false;
  const Route route = routes_.at(*id);
  const auto file = files_.try_emplace(route.outlet.get(), route.outlet).first;
  Piece piece = backlog_.Take(*id);
  const int64_t before = piece.lost_before + static_cast<int64_t>(piece.bytes.size());
  const MonoTime now = MonoNow();
  writing_since_ = now;
  writing_ = route;

  mutex_.Unlock();
  const absl::Status status = file->second.Write(&piece, now);
  const int64_t left = piece.lost_before + static_cast<int64_t>(piece.bytes.size());
  if (route.ledger) route.ledger->Settle(before - left);
  if (left < before) {
    route.outlet->Written();
    listener_.written();
  }
  mutex_.Lock();

  writing_since_.reset();
  const bool told = std::exchange(stall_told_, false);
  const bool wake = std::exchange(room_wanted_, false);
  std::optional<Trouble> tell;
  if (status.ok()) {
    backlog_.Done();
    if (const auto known = troubles_.find(route.outlet.get()); known != troubles_.end()) {
      tell = known->second;
      troubles_.erase(known);
    } else if (told) {
      tell = {{}, route.label, fmt::format("{} did not answer", route.outlet->path())};
    }
  } else {
    backlog_.PutBack(std::move(piece));
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
    if (tell) listener_.trouble(tell->label, tell->why, status.ok());
    if (wake) listener_.room();
    mutex_.Lock();
  }
  return true;
}

void Writer::Run() {
  const absl::MutexLock lock(&mutex_);
  while (!stop_) {
    ForgetClosedLocked();
    if (WriteOneLocked()) continue;
    if (backlog_.idle() || troubles_.empty()) {
      changed_.Wait(&mutex_);
      continue;
    }
    MonoTime retry_at = MonoTime::max();
    for (const auto& [outlet, trouble] : troubles_) {
      retry_at = std::min(retry_at, trouble.retry_at);
    }
    changed_.WaitWithTimeout(&mutex_, absl::FromChrono(retry_at - MonoNow()));
  }
}

}  // namespace procctl::logger
