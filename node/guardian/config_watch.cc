#include "node/guardian/config_watch.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {

ConfigWatch::ConfigWatch(Poller* poller, std::function<void()> settled)
    : poller_(poller), settled_(std::move(settled)) {}

ConfigWatch::~ConfigWatch() {
  if (on_event_ != 0) poller_->Remove(on_event_);
  if (on_timer_ != 0) poller_->Remove(on_timer_);
}

absl::Status ConfigWatch::Open(const std::string& file) {
  auto watch = FileWatch::Open(file);
  if (!watch.ok()) return watch.status();
  watch_ = std::make_shared<FileWatch>(*std::move(watch));
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_)
    return absl::ResourceExhaustedError(fmt::format("timerfd: {}", std::strerror(errno)));
  auto on_event = poller_->Add(watch_->fd(), EPOLLIN, [this](uint32_t) {
    if (watch_->Changed()) Rearm(kSettle);
  });
  if (!on_event.ok()) return on_event.status();
  on_event_ = *on_event;
  auto on_timer = poller_->Add(timer_.get(), EPOLLIN, [this](uint32_t) {
    uint64_t ticks = 0;
    if (read(timer_.get(), &ticks, sizeof ticks) > 0) settled_();
  });
  if (!on_timer.ok()) return on_timer.status();
  on_timer_ = *on_timer;
  return absl::OkStatus();
}

void ConfigWatch::Use(const FileWatch::Added& added) {
  watch_->Use(added);
  if (!added.complete) Rearm(kTryAgain);
}

void ConfigWatch::Rearm(std::chrono::seconds after) {
  itimerspec once{};
  once.it_value.tv_sec = after.count();
  (void)timerfd_settime(timer_.get(), 0, &once, nullptr);
}

}  // namespace procctl::node
