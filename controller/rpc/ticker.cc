#include "controller/rpc/ticker.h"

#include <utility>

#include "absl/time/time.h"

namespace procctl::controller {
namespace {
constexpr absl::Duration kEvery = absl::Milliseconds(250);
}  // namespace

Ticker::Ticker(std::function<void()> tick) : tick_(std::move(tick)) {
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
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kEvery)) return;
    }
    tick_();
  }
}

}  // namespace procctl::controller
