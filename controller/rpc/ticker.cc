#include "controller/rpc/ticker.h"

#include <utility>

#include "absl/time/time.h"

namespace procctl::controller {

Ticker::Ticker(std::chrono::milliseconds every, std::function<void()> tick)
    : every_(every), tick_(std::move(tick)) {
  thread_ = std::thread([this] { Loop(); });
}

Ticker::~Ticker() { Stop(); }

void Ticker::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Ticker::Loop() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::FromChrono(every_))) return;
    }
    tick_();
  }
}

}  // namespace procctl::controller
