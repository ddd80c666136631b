#include "node/guardian/canary.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "node/core/kill_words.h"
#include "node/os/clock.h"
#include "node/os/spawn.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// Between its SIGTERM, which it ignores, and its SIGKILL.
constexpr Nanos kGrace = std::chrono::milliseconds(500);
// What all the rest may take: its start, scans, evidence, and its end on a busy host.
constexpr Nanos kSlack = std::chrono::seconds(10);

}  // namespace

void Canary::Tend(MonoTime now) {
  if (!next_) next_ = now + every_;
  if (!child_ && now >= *next_) Start(now);
  if (child_ && !failed_ && now > deadline_) {
    Fail(fmt::format("it hung and is still there after {}",
                     FormatDuration(timeout_ + kGrace + kSlack)));
    // Our own child that was not waited for: its pid is nobody else's.
    (void)child_->Signal(SIGKILL);
  }
}

void Canary::Start(MonoTime now) {
  next_ = now + every_;
  registered_.reset();
  failed_ = false;
  ++turns_;
  SpawnRequest request;
  request.path = "/proc/self/exe";
  request.arguments = {
      "--canary", socket_,
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count())};
  auto child = Spawn(request);
  if (!child.ok()) {
    Fail(fmt::format("it could not be started: {}", std::string(child.status().message())));
    return;
  }
  child_.emplace(*std::move(child));
  deadline_ = now + timeout_ + kGrace + kSlack;
  const auto watch = poller_->Add(child_->pidfd(), EPOLLIN, [this](uint32_t) { OnExit(); });
  if (watch.ok()) {
    exit_watch_ = *watch;
    return;
  }
  Fail(fmt::format("its end cannot be watched: {}", std::string(watch.status().message())));
  (void)child_->Signal(SIGKILL);
  siginfo_t info{};
  (void)waitid(P_PIDFD, static_cast<id_t>(child_->pidfd()), &info, WEXITED);
  child_.reset();
}

void Canary::OnRegistered(Table* table, const Slot& slot, MonoTime now) {
  if (!child_ || slot.process->identity() != child_->identity()) return;
  registered_ = now;
  slot.process->canary = true;
  if (Slot* own = table->FindSlot(slot.generation)) {
    own->rules.grace = kGrace;
    own->rules.observe = false;
  }
}

void Canary::OnExit() {
  siginfo_t info{};
  (void)waitid(P_PIDFD, static_cast<id_t>(child_->pidfd()), &info, WEXITED | WNOHANG);
  poller_->Remove(exit_watch_);
  child_.reset();
  if (failed_) return;
  if (!registered_ || info.si_code != CLD_KILLED || info.si_status != SIGKILL) {
    Fail(registered_
             ? fmt::format("it ended otherwise than by SIGKILL ({} {})",
                           info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status)
             : std::string("it could not register"));
    return;
  }
  latency_ = MonoNow() - (*registered_ + timeout_);
  last_ok_ = WallNow();
  v1::Event event =
      MakeEvent(v1::EVENT_KIND_CANARY, v1::SEVERITY_INFO,
                fmt::format("the canary hung, ignored SIGTERM and was killed: gone {} after its "
                            "timeout, of which {} were its grace",
                            Exact(*latency_), FormatDuration(kGrace)));
  *event.mutable_took() = ToProto(*latency_);
  log_->Record(std::move(event));
}

void Canary::Fail(const std::string& why) {
  failed_ = true;
  ++failures_;
  log_->Record(MakeEvent(
      v1::EVENT_KIND_CANARY, v1::SEVERITY_ALARM,
      fmt::format("the canary did not prove that this node can stop a hung process: {}", why)));
}

v1::Canary Canary::Detail() const {
  v1::Canary detail;
  *detail.mutable_every() = ToProto(every_);
  if (latency_) *detail.mutable_latency() = ToProto(*latency_);
  if (last_ok_) *detail.mutable_last_ok() = ToProto(*last_ok_);
  detail.set_turns(turns_);
  detail.set_failures(failures_);
  return detail;
}

}  // namespace procctl::node
