// Latencies in buckets that grow by a twentieth: any number of samples in 3 KiB, read off within 5
// %. Lock-free; any thread adds, any thread reads what is there.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace procctl::fleetsim {

class Latencies {
 public:
  void Add(std::chrono::nanoseconds latency, std::int64_t count = 1);
  std::int64_t count() const;
  // Upper end of the bucket that holds the sample at `share` (0.5 the median); zero without
  // samples.
  std::chrono::nanoseconds At(double share) const;

 private:
  // From 1 us to about ten minutes.
  static constexpr int kBuckets = 420;
  std::array<std::atomic<std::int64_t>, kBuckets> buckets_{};
};

}  // namespace procctl::fleetsim
