#include "node/guardian/guardian.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "node/guardian/classic_door.h"
#include "node/guardian/enforcer.h"
#include "node/guardian/event_log.h"
#include "node/guardian/native_door.h"
#include "node/guardian/order_desk.h"
#include "node/guardian/table.h"
#include "node/guardian/uplink_child.h"
#include "node/guardian/uplink_link.h"
#include "node/os/clock.h"
#include "node/os/poller.h"
#include "node/os/proc_file.h"
#include "node/os/state_files.h"
#include "proto/support/version.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// Batches of ready descriptors served before a scan that is due. Enough to drain any honest burst;
// a flood cannot keep the scan waiting for longer.
constexpr int kMostBatchesBeforeScan = 64;
// How long the last events may take into the uplink's spool when the guardian ends.
constexpr Nanos kFarewell = std::chrono::seconds(1);

int64_t MillisecondsOfWallTime() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(WallNow().time_since_epoch())
      .count();
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE,
                  &limit);  // allowed to everybody; without it fewer processes can be guarded
}

SignalPolicy PolicyOf(const Settings& settings) {
  SignalPolicy policy;
  policy.enforce = settings.enforce;
  policy.guardian_uid = geteuid();
  policy.own_line = OwnLine();
  policy.protected_names = settings.protected_names;
  return policy;
}

class Guardian {
 public:
  Guardian(const Settings& settings, Poller poller, std::string boot_id, int64_t epoch)
      : settings_(settings),
        poller_(std::move(poller)),
        log_(settings.node, boot_id, epoch),
        table_(boot_id, epoch),
        enforcer_(&table_, &log_, PolicyOf(settings), settings.scan_interval, settings.grace,
                  [this](int32_t row) { return classic_->Token(row); }),
        orders_(&table_, &log_, &enforcer_, settings.grace),
        link_(&table_, &log_, &poller_,
              [this](const v1::LinkOrder& order) { orders_.Take(order); }),
        uplink_(&settings_, &log_, &link_, &poller_),
        native_(&table_, &log_, &poller_, settings.limits,
                [this](Process& p) { return WatchExit(p); }) {
    if (settings.classic) {
      classic_.emplace(
          *settings.classic, settings.limits.max_timeout, &table_, &log_, &poller_,
          [this](Process& p) { return WatchExit(p); }, [this](Slot& s) { enforcer_.OnClosed(s); });
    }
    table_.Listen({.changed = [this](const Slot& slot) { link_.RowChanged(slot.generation); },
                   .removed = [this](const Slot& slot) { OnRemoved(slot); },
                   .forgotten = [this](Process& process) { poller_.Remove(process.exit_watch); }});
    log_.OnNew([this] { events_waiting_ = true; });
  }

  absl::Status Open(UniqueFd lock) {
    lock_ = std::move(lock);
    if (absl::Status s = WatchSignals(); !s.ok()) return s;
    if (absl::Status s = StartTimer(); !s.ok()) return s;
    return native_.Open(settings_.runtime_dir + "/heartbeat.sock", settings_.socket_mode);
  }

  void Run() {
    log_.Record(MakeEvent(
        v1::EVENT_KIND_GUARDIAN_STARTED, v1::SEVERITY_INFO,
        fmt::format("guardian {} began to {} as user {} (epoch {})", kVersion,
                    settings_.enforce ? "enforce" : "observe", geteuid(), log_.ring().epoch())));
    // Before anybody is told that the node guards: programs attach a table that must be there.
    if (classic_) classic_->Refresh(MonoNow());
    uplink_.Tend(MonoNow());
    std::printf("guarding as %s\n", settings_.node.c_str());
    std::fflush(stdout);
    while (!stop_) Turn(-1);
    log_.Record(
        MakeEvent(v1::EVENT_KIND_GUARDIAN_STOPPED, v1::SEVERITY_WARNING,
                  "the guardian was told to stop; nothing is enforced until it starts again"));
    link_.Pump();
    for (const MonoTime end = MonoNow() + kFarewell; !link_.Drained() && MonoNow() < end;)
      poller_.Wait(50);
    uplink_.LetGo();
    (void)unlink((settings_.runtime_dir + "/heartbeat.sock")
                     .c_str());  // clients then see at once that nobody guards
  }

 private:
  // One turn of the loop: sockets and exits first, then, if it is time, the scan.
  void Turn(int timeout_ms) {
    poller_.Wait(timeout_ms);
    if (scan_due_) {
      for (int i = 0; i < kMostBatchesBeforeScan && poller_.Wait(0) > 0; ++i) {
      }
      scan_due_ = false;
      const MonoTime now = MonoNow();
      if (classic_) classic_->Refresh(now);
      enforcer_.Scan();
      native_.DropSilent(now);
      uplink_.Tend(now);
      link_.Pump();
    }
    if (events_waiting_) {
      events_waiting_ = false;
      link_.Pump();
    }
  }

  absl::Status WatchSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_)
      return absl::ResourceExhaustedError(fmt::format("signalfd: {}", std::strerror(errno)));
    return poller_
        .Add(signals_.get(), EPOLLIN,
             [this](uint32_t) {
               signalfd_siginfo info{};
               if (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
                 stop_ = true;
             })
        .status();
  }

  absl::Status StartTimer() {
    timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(settings_.scan_interval);
    itimerspec every{};
    every.it_interval.tv_sec = seconds.count();
    every.it_interval.tv_nsec = (settings_.scan_interval - seconds).count();
    every.it_value = every.it_interval;
    if (!timer_ || timerfd_settime(timer_.get(), 0, &every, nullptr) != 0) {
      return absl::ResourceExhaustedError(fmt::format("timerfd: {}", std::strerror(errno)));
    }
    return poller_
        .Add(timer_.get(), EPOLLIN,
             [this](uint32_t) {
               uint64_t ticks = 0;
               if (read(timer_.get(), &ticks, sizeof ticks) > 0) scan_due_ = true;
             })
        .status();
  }

  absl::Status WatchExit(Process& process) {
    // By identity, not by address: the process may be gone from the table when the handler runs.
    const ProcessIdentity identity = process.ref.identity();
    auto token = poller_.Add(process.ref.pidfd(), EPOLLIN, [this, identity](uint32_t) {
      if (Process* p = table_.Find(identity)) enforcer_.OnExit(*p);
    });
    if (!token.ok()) return token.status();
    process.exit_watch = *token;
    return absl::OkStatus();
  }

  void OnRemoved(const Slot& slot) {
    link_.RowRemoved(slot.generation);
    const int32_t row = table_.heart(slot).row;
    if (classic_ && row >= 0) classic_->OnSlotRemoved(slot, row);
  }

  const Settings& settings_;
  UniqueFd lock_;
  Poller poller_;
  EventLog log_;
  Table table_;
  Enforcer enforcer_;
  OrderDesk orders_;
  UplinkLink link_;
  UplinkChild uplink_;
  NativeDoor native_;
  std::optional<ClassicDoor> classic_;
  UniqueFd signals_;
  UniqueFd timer_;
  bool scan_due_ = false;
  bool events_waiting_ = false;
  bool stop_ = false;
};

}  // namespace

absl::Status RunGuardian(const Settings& settings) {
  // Blocked before any thread exists, so that they reach nobody but the signalfd.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();

  if (absl::Status s = EnsureFolder(settings.runtime_dir, 0755); !s.ok()) return s;
  if (absl::Status s = EnsureFolder(settings.state_dir, 0755); !s.ok()) return s;
  auto lock = LockFile(settings.runtime_dir + "/guardian.lock");
  if (!lock.ok()) return lock.status();
  absl::Status stored;
  const int64_t epoch = NextEpoch(settings.state_dir + "/epoch", MillisecondsOfWallTime(), &stored);
  if (!stored.ok()) {
    spdlog::error(
        "the guardian's epoch could not be stored ({}); going on with one made from the clock",
        std::string(stored.message()));
  }
  auto poller = Poller::Create();
  if (!poller.ok()) return poller.status();
  const auto guardian =
      std::make_unique<Guardian>(settings, *std::move(poller), ReadBootId(), epoch);
  if (absl::Status s = guardian->Open(*std::move(lock)); !s.ok()) return s;
  guardian->Run();
  return absl::OkStatus();
}

}  // namespace procctl::node
