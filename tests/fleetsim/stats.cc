#include "tests/fleetsim/stats.h"

#include <utility>

namespace procctl::fleetsim {
namespace {

// Messages of errors carry numbers and names; beyond so many kinds they are counted together.
constexpr std::size_t kMostKinds = 100;

}  // namespace

Stats::Stats(std::size_t nodes, std::int64_t start_ns)
    : arrivals_(nodes, std::chrono::nanoseconds(start_ns)) {}

void Stats::Arrive(std::int64_t now_ns) {
  absl::MutexLock lock(&mutex_);
  if (auto storm = arrivals_.Arrive(std::chrono::nanoseconds(now_ns))) {
    storms_.push_back(*storm);
    if (complete_since_ == 0) complete_since_ = now_ns;
  }
}

void Stats::Leave(std::int64_t now_ns) {
  absl::MutexLock lock(&mutex_);
  arrivals_.Leave(std::chrono::nanoseconds(now_ns));
}

void Stats::Error(const std::string& kind) {
  absl::MutexLock lock(&mutex_);
  const bool room = errors_.size() < kMostKinds || errors_.count(kind) > 0;
  ++errors_[room ? kind : "other"];
}

std::size_t Stats::connected() const {
  absl::MutexLock lock(&mutex_);
  return arrivals_.connected();
}

std::int64_t Stats::complete_since() const {
  absl::MutexLock lock(&mutex_);
  return complete_since_;
}

std::vector<Storm> Stats::TakeStorms() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(storms_, {});
}

std::optional<Storm> Stats::CurrentStorm(std::int64_t now_ns) const {
  absl::MutexLock lock(&mutex_);
  return arrivals_.Current(std::chrono::nanoseconds(now_ns));
}

std::map<std::string, std::int64_t> Stats::errors() const {
  absl::MutexLock lock(&mutex_);
  return errors_;
}

}  // namespace procctl::fleetsim
