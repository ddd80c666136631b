#include "tests/fleetsim/latency.h"

#include <algorithm>
#include <cmath>

namespace procctl::fleetsim {
namespace {

constexpr double kFirstNs = 1000;
constexpr double kGrowth = 1.05;

}  // namespace

void Latencies::Add(std::chrono::nanoseconds latency, std::int64_t count) {
  const double ns = std::max(static_cast<double>(latency.count()), kFirstNs);
  const double bucket = std::ceil(std::log(ns / kFirstNs) / std::log(kGrowth));
  const auto index = static_cast<std::size_t>(std::min(bucket, double{kBuckets - 1}));
  buckets_[index].fetch_add(count, std::memory_order_relaxed);
}

std::int64_t Latencies::count() const {
  std::int64_t sum = 0;
  for (const auto& bucket : buckets_) sum += bucket.load(std::memory_order_relaxed);
  return sum;
}

std::chrono::nanoseconds Latencies::At(double share) const {
  const std::int64_t all = count();
  if (all == 0) return std::chrono::nanoseconds(0);
  const auto wanted = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(all)));
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    sum += buckets_[i].load(std::memory_order_relaxed);
    if (sum >= std::max<std::int64_t>(wanted, 1)) {
      return std::chrono::nanoseconds(
          static_cast<std::int64_t>(kFirstNs * std::pow(kGrowth, static_cast<double>(i))));
    }
  }
  return std::chrono::nanoseconds(0);
}

}  // namespace procctl::fleetsim
