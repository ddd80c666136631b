#include "node/guardian/uplink_child.h"

#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "node/os/clock.h"
#include "node/os/seqpacket.h"
#include "node/os/state_files.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// An uplink that was killed is back well within a second; one that cannot live costs a start a
// second.
constexpr Nanos kFirstDelay = std::chrono::milliseconds(50);
constexpr Nanos kMostDelay = std::chrono::seconds(1);
// Having lived this long it is a healthy one, and the next delay is a first one again.
constexpr Nanos kHealthy = std::chrono::seconds(10);
constexpr Nanos kConnectTimeout = std::chrono::seconds(5);

}  // namespace

void UplinkChild::Postpone(MonoTime now) {
  delay_ = delay_ == Nanos(0) ? kFirstDelay : std::min(kMostDelay, delay_ * 2);
  next_start_ = now + delay_;
}

void UplinkChild::Tend(MonoTime now) {
  if (process_ || now < next_start_) return;
  auto pair = MakeSocketPair();
  if (!pair.ok()) {
    spdlog::error("no uplink: {}; trying again", std::string(pair.status().message()));
    Postpone(now);
    return;
  }
  SpawnRequest request;
  request.path = settings_->uplink_path;
  request.link_fd = pair->theirs.get();
  request.user = settings_->uplink_user ? &*settings_->uplink_user : nullptr;
  const std::string folder = settings_->state_dir + "/uplink";
  const absl::Status ready =
      settings_->uplink_user
          ? EnsureFolderOf(folder, settings_->uplink_user->uid, settings_->uplink_user->gid)
          : EnsureFolderOf(folder, geteuid(), getegid());
  if (!ready.ok()) {
    // It still carries rows, orders and events; it only cannot keep events across its own end.
    spdlog::error("the uplink has no folder for its spool: {}", std::string(ready.message()));
  }
  auto process = Spawn(request);
  if (!process.ok()) {
    spdlog::error("{}; trying again in {}", std::string(process.status().message()),
                  FormatDuration(std::max(delay_, kFirstDelay)));
    Postpone(now);
    return;
  }
  process_.emplace(*std::move(process));
  started_at_ = now;
  if (const auto watch = poller_->Add(process_->pidfd(), EPOLLIN, [this](uint32_t) { OnExit(); });
      watch.ok()) {
    exit_watch_ = *watch;
  } else {
    spdlog::error("the end of the uplink cannot be watched: {}",
                  std::string(watch.status().message()));
  }
  if (started_before_) {
    log_->Record(MakeEvent(
        v1::EVENT_KIND_UPLINK_RESTARTED, v1::SEVERITY_WARNING,
        fmt::format("the uplink ended and runs again as pid {}", process_->identity().pid)));
  }
  started_before_ = true;
  if (const absl::Status s = link_->Connect(std::move(pair->ours), Hello()); !s.ok()) {
    spdlog::error("no link to the uplink: {}",
                  std::string(s.message()));  // it sees the end of file and exits
  }
}

void UplinkChild::OnExit() {
  siginfo_t info{};
  (void)waitid(P_PIDFD, static_cast<id_t>(process_->pidfd()), &info, WEXITED | WNOHANG);
  const MonoTime now = MonoNow();
  spdlog::warn("the uplink (pid {}) ended: {} {}", process_->identity().pid,
               info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status);
  poller_->Remove(exit_watch_);
  process_.reset();
  link_->Disconnect();
  if (now - started_at_ >= kHealthy) delay_ = Nanos(0);
  Postpone(now);
}

v1::LinkHello UplinkChild::Hello() {
  v1::LinkHello hello;
  hello.set_node_id(settings_->node);
  hello.set_boot_id(log_->boot_id());
  hello.set_guardian_epoch(log_->ring().epoch());
  hello.set_guardian_uid(static_cast<int32_t>(geteuid()));
  hello.set_mode(settings_->enforce ? "enforce" : "observe");
  hello.set_state_dir(settings_->state_dir + "/uplink");
  hello.set_spool_events(settings_->spool_events);
  *hello.mutable_connect_timeout() = ToProto(kConnectTimeout);
  if (settings_->controller) {
    const ControllerSettings& controller = *settings_->controller;
    for (const auto& [path, kept] :
         {std::pair(controller.ca, &ca_), std::pair(controller.cert, &cert_),
          std::pair(controller.key, &key_)}) {
      auto text = ReadFile(path);
      if (text.ok()) {
        *kept = *std::move(text);
      } else {
        spdlog::error("{}; the uplink goes on with what was read before",
                      std::string(text.status().message()));
      }
    }
    hello.set_controller_address(controller.address);
    hello.set_controller_name(controller.server_name);
    hello.set_ca_pem(ca_);
    hello.set_certificate_pem(cert_);
    hello.set_key_pem(key_);
  }
  return hello;
}

void UplinkChild::LetGo() { link_->Disconnect(); }

}  // namespace procctl::node
