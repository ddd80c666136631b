#include "node/guardian/kept_child.h"

#include <sys/epoll.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "node/os/clock.h"
#include "node/os/seqpacket.h"
#include "proto/support/duration_text.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr Nanos kFirstDelay = std::chrono::milliseconds(50);
constexpr Nanos kMostDelay = std::chrono::seconds(1);
// Having lived this long it is a healthy one, and the next delay is a first one again.
constexpr Nanos kHealthy = std::chrono::seconds(10);

}  // namespace

KeptChild::KeptChild(std::string name, Poller* poller, Hooks hooks)
    : name_(std::move(name)), poller_(poller), hooks_(std::move(hooks)) {}

KeptChild::~KeptChild() { poller_->Remove(exit_watch_); }

void KeptChild::Postpone(MonoTime now) {
  delay_ = delay_ == Nanos(0) ? kFirstDelay : std::min(kMostDelay, delay_ * 2);
  next_start_ = now + delay_;
}

void KeptChild::Tend(MonoTime now) {
  if (process_ && exit_watch_ == 0 && !process_->Alive()) OnExit();
  if (!process_ && !let_go_ && now >= next_start_) Start(now);
}

void KeptChild::Start(MonoTime now) {
  auto pair = MakeSocketPair();
  if (!pair.ok()) {
    Postpone(now);
    spdlog::error("{} is not started: {}; trying again in {}", name_,
                  std::string(pair.status().message()), FormatDuration(delay_));
    return;
  }
  SpawnRequest request = hooks_.request();
  request.link_fd = pair->theirs.get();
  auto process = Spawn(request);
  if (!process.ok()) {
    Postpone(now);
    spdlog::error("{}; trying again in {}", std::string(process.status().message()),
                  FormatDuration(delay_));
    return;
  }
  process_.emplace(*std::move(process));
  started_at_ = now;
  if (const auto watch = poller_->Add(process_->pidfd(), EPOLLIN, [this](uint32_t) { OnExit(); });
      watch.ok()) {
    exit_watch_ = *watch;
  } else {
    spdlog::error("the end of {} cannot be watched ({}); it is asked for now and then", name_,
                  std::string(watch.status().message()));
  }
  hooks_.started(std::move(pair->ours));
}

void KeptChild::OnExit() {
  siginfo_t info{};
  (void)waitid(P_PIDFD, static_cast<id_t>(process_->pidfd()), &info, WEXITED | WNOHANG);
  const MonoTime now = MonoNow();
  if (!let_go_) {
    spdlog::warn("{} (pid {}) ended: {} {}", name_, process_->identity().pid,
                 info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status);
  }
  poller_->Remove(std::exchange(exit_watch_, 0));
  process_.reset();
  hooks_.ended();
  if (now - started_at_ >= kHealthy) delay_ = Nanos(0);
  Postpone(now);
}

}  // namespace procctl::node
