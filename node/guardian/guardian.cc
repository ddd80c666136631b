#include "node/guardian/guardian.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "node/core/enforcer.h"
#include "node/core/table.h"
#include "node/guardian/canary.h"
#include "node/guardian/classic_door.h"
#include "node/guardian/control_desk.h"
#include "node/guardian/control_door.h"
#include "node/guardian/detail_desk.h"
#include "node/guardian/event_log.h"
#include "node/guardian/evidence_desk.h"
#include "node/guardian/logger_child.h"
#include "node/guardian/native_door.h"
#include "node/guardian/order_desk.h"
#include "node/guardian/program_desk.h"
#include "node/guardian/program_user.h"
#include "node/guardian/reload_desk.h"
#include "node/guardian/state_keeper.h"
#include "node/guardian/take_up.h"
#include "node/guardian/uplink_child.h"
#include "node/guardian/uplink_link.h"
#include "node/guardian/usage_desk.h"
#include "node/os/board.h"
#include "node/os/clock.h"
#include "node/os/descriptor_limit.h"
#include "node/os/poller.h"
#include "node/os/proc_file.h"
#include "node/os/state_files.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// Batches of ready descriptors served before a scan that is due. Enough to drain any honest burst;
// a flood cannot keep the scan waiting for longer.
constexpr int kMostBatchesBeforeScan = 64;
// How long the last events may take into the uplink's spool when the guardian ends.
constexpr Nanos kFarewell = std::chrono::seconds(1);
// Between two scans while there is no heart to look at.
constexpr Nanos kRestInterval = std::chrono::seconds(1);

int64_t MillisecondsOfWallTime() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(WallNow().time_since_epoch())
      .count();
}

int64_t ResidentBytes() {
  const auto text = ReadSmallFile("/proc/self/statm");
  long size = 0;
  long resident = 0;
  if (!text || std::sscanf(text->c_str(), "%ld %ld", &size, &resident) != 2) return 0;
  return int64_t{resident} * sysconf(_SC_PAGESIZE);
}

// The enforcer's questions, carried to the desk that reads what the kernel says.
class Evidences final : public EvidenceSource {
 public:
  Evidences(Poller* poller, EvidenceDesk::Ready ready) : desk_(poller, std::move(ready)) {}
  void Ask(int64_t kill, EvidenceSubject subject) override {
    desk_.Ask(kill, subject.process, std::move(subject.known), MonoNow());
  }
  void Expire(MonoTime now) { desk_.Expire(now); }

 private:
  EvidenceDesk desk_;
};

std::string NameOfStored(int64_t generation) { return fmt::format("heart-{}", generation); }

class Guardian {
 public:
  Guardian(const Settings& settings, ServiceManager manager, Poller poller, Board board,
           std::unique_ptr<StateKeeper> keeper, std::string boot_id, int64_t epoch)
      : settings_(settings),
        manager_(std::move(manager)),
        poller_(std::move(poller)),
        board_(std::move(board)),
        keeper_(std::move(keeper)),
        started_at_(WallNow()),
        log_(settings.node, boot_id, epoch, keeper_.get()),
        control_(&log_, keeper_.get(), &poller_, OwnUserName(),
                 {.hello = [this] { return Hello(); },
                  .take = [this](int64_t client, const std::string& issuer,
                                 const v1::LocalRequest& r) { desk_.Take(client, issuer, r); },
                  .left = [this](int64_t client) { desk_.Left(client); }}),
        desk_(&log_,
              {.slot_after = [this](int64_t generation) { return SlotAfter(generation); },
               .program_after = [this](const std::string& l) { return programs_.RowAfter(l); },
               .kill = [this](const v1::LinkOrder& order) { orders_.Take(order); },
               .hold = [this](const v1::LinkHoldOrder& order) { orders_.TakeHold(order); },
               .program = [this](const v1::LinkProgramOrder& order) { TakeProgram(order); },
               .taken = [this](const std::string& id) { return orders_.ledger().Knows(id); },
               .under_way = [this](const std::string& id) { return IsUnderWay(id); },
               .detail =
                   [this](const v1::DetailRequest& request) {
                     return details_.Take(request, MonoNow(), [this](v1::DetailReply reply) {
                       desk_.Answer(std::move(reply));
                     });
                   },
               .reply = [this](int64_t client,
                               const v1::LocalReply& r) { control_.Reply(client, r); }}),
        table_(boot_id, settings.rules, board_.cells(), board_.histories(), keeper_.get()),
        evidence_(&poller_,
                  [this](int64_t kill, v1::Evidence evidence) {
                    enforcer_.OnEvidence(kill, std::move(evidence));
                  }),
        enforcer_(&table_, World(), PolicyOf(settings), epoch * Table::kGenerationsPerEpoch + 1),
        usage_(&poller_),
        details_(&usage_, DetailSources()),
        orders_(&table_, &log_, &enforcer_, keeper_.get(), settings.grace),
        link_(&table_, &log_, keeper_.get(), &poller_,
              {.order = [this](const v1::LinkOrder& order) { orders_.Take(order); },
               .hold = [this](const v1::LinkHoldOrder& order) { orders_.TakeHold(order); },
               .program = [this](const v1::LinkProgramOrder& order) { TakeProgram(order); },
               .detail = [this](const v1::DetailRequest& request) { return FromUplink(request); }},
              {.after = [this](const std::string& label) { return programs_.RowAfter(label); },
               .find = [this](const std::string& label) { return programs_.Row(label); }}),
        uplink_(&settings_, &log_, &link_, &poller_),
        logger_(settings.logger_path, settings.journal_socket, &poller_,
                {.lost = [this](const v1::LoggerLost& lost) { OnOutputLost(lost); },
                 .trouble = [this](const v1::LoggerTrouble& trouble) { OnOutputTrouble(trouble); },
                 .tail = [this](int64_t request,
                                const std::string& tail) { programs_.OnTail(request, tail); },
                 .read =
                     [this](int64_t request, const v1::OutputChunk& chunk) {
                       v1::DetailReply reply;
                       reply.set_request(request);
                       *reply.mutable_output() = chunk;
                       Answer(std::move(reply));
                     }}),
        programs_({.table = &table_,
                   .enforcer = &enforcer_,
                   .log = &log_,
                   .journal = keeper_.get(),
                   .poller = &poller_,
                   .logger = &logger_,
                   .node = settings.node,
                   .runtime_dir = settings.runtime_dir,
                   .state_dir = settings.state_dir,
                   .min_timeout = settings.limits.min_timeout,
                   .watch_exit = [this](Process& p) { return WatchExit(p); },
                   .row_changed =
                       [this](const std::string& label) {
                         link_.ProgramChanged(label);
                         events_waiting_ = true;
                       },
                   .own_children = [this] { return OwnChildren(); }}),
        reloads_(&settings_, {.log = &log_,
                              .poller = &poller_,
                              .keeping = keeper_->keeping(),
                              .programs =
                                  [this](const std::vector<ProgramSpec>& specs) {
                                    (void)programs_.Reload(specs);
                                  }}),
        native_(
            &table_, &log_, &poller_, settings.limits, [this](Process& p) { return WatchExit(p); },
            [this](const Slot& slot, int page_fd) { OnHandedOut(slot, page_fd); }) {
    table_.NumberFrom(epoch * Table::kGenerationsPerEpoch + 1);
    if (settings.classic) {
      classic_.emplace(
          *settings.classic, settings.limits.max_timeout, &table_, &log_, &poller_,
          [this](Process& p) { return WatchExit(p); }, [this](Slot& s) { enforcer_.OnClosed(s); });
    }
    if (settings.canary_every) {
      canary_.emplace(*settings.canary_every, settings.runtime_dir + "/heartbeat.sock",
                      settings.limits.min_timeout, &log_, &poller_);
    }
    table_.Listen({.changed = [this](const Slot& slot) { link_.RowChanged(slot.generation); },
                   .removed = [this](const Slot& slot) { OnRemoved(slot); },
                   .forgotten = [this](Process& process) { poller_.Remove(process.exit_watch); }});
    log_.OnNew([this] { events_waiting_ = true; });
    log_.Watch([this](const v1::Event& event) { desk_.OnEvent(event); });
  }

  absl::Status Open(UniqueFd lock) {
    lock_ = std::move(lock);
    if (absl::Status s = WatchSignals(); !s.ok()) return s;
    if (absl::Status s = StartTimer(); !s.ok()) return s;
    if (absl::Status s = OpenPrograms(); !s.ok()) return s;
    TakeUpState();
    if (absl::Status s = reloads_.Open(); !s.ok()) return s;
    // Nobody but root and this user can open it: the door asks the kernel again who connects.
    constexpr mode_t kOwnersOnly = 0600;
    if (absl::Status s = control_.Open(ControlSocket(), kOwnersOnly); !s.ok()) return s;
    return native_.Open(settings_.runtime_dir + "/heartbeat.sock", settings_.socket_mode);
  }

  void Run() {
    // Before anybody is told that the node guards: programs attach a table that must be there.
    if (classic_) classic_->Refresh(MonoNow());
    keeper_->Tidy();
    uplink_.Tend(MonoNow());
    TendPrograms(MonoNow());
    std::printf("guarding as %s\n", settings_.node.c_str());
    std::fflush(stdout);
    (void)manager_.Ready(fmt::format("guarding as {}", settings_.node));
    while (!stop_) Turn();
    (void)manager_.Stopping();
    if (stop_programs_ && !programs_.empty()) {
      spdlog::info("stopping the programs; once more to leave them running");
      stop_ = false;
      programs_.StopAll();
      while (!stop_ && !programs_.AllStopped()) Turn();
    }
    programs_.Leave();
    log_.Record(
        MakeEvent(v1::EVENT_KIND_GUARDIAN_STOPPED, v1::SEVERITY_WARNING,
                  "the guardian was told to stop; nothing is enforced until it starts again"));
    keeper_->Commit();
    link_.Pump();
    control_.Pump();
    (void)unlink(ControlSocket().c_str());
    for (const MonoTime end = MonoNow() + kFarewell; !link_.Drained() && MonoNow() < end;)
      poller_.Wait(50);
    link_.SayGoodbye("stopping");
    uplink_.LetGo();
    logger_.LetGo();
    keeper_->Rewrite();
    (void)unlink((settings_.runtime_dir + "/heartbeat.sock")
                     .c_str());  // clients then see at once that nobody guards
  }

 private:
  EnforcerWorld World() {
    return {.clocks = &clocks_,
            .events = &log_,
            .journal = keeper_.get(),
            .evidence = &evidence_,
            .refresh =
                [this](const Slot& slot) {
                  if (classic_) classic_->RefreshPage(slot);
                },
            .ending = [this](const Process& process) { programs_.OnEnding(process); }};
  }

  static EnforcerSettings PolicyOf(const Settings& settings) {
    EnforcerSettings out;
    out.policy.enforce = settings.enforce;
    out.policy.guardian_uid = geteuid();
    out.policy.own_line = OwnLine();
    out.policy.protected_names = settings.protected_names;
    out.brakes = settings.brakes;
    out.watch.interval = settings.scan_interval;
    out.watch.near_miss_percent = settings.near_miss_percent;
    out.min_timeout = settings.limits.min_timeout;
    return out;
  }

  // One turn of the loop: sockets and exits first, then, if it is time, the scan.
  void Turn() {
    poller_.Wait(UntilLook());
    if (scan_due_) {
      for (int i = 0; i < kMostBatchesBeforeScan && poller_.Wait(0) > 0; ++i) {
      }
      scan_due_ = false;
      const MonoTime now = MonoNow();
      if (classic_) classic_->Refresh(now);
      evidence_.Expire(now);
      usage_.Expire(now);
      enforcer_.Scan();
      native_.DropSilent(now);
      control_.DropStuck(now);
      desk_.Expire(now);
      uplink_.Tend(now);
      if (canary_) canary_->Tend(now);
      if (take_up_) take_up_->Tend(now);
      TendPrograms(now);
      BeatForManager(now);
      events_waiting_ = true;
    }
    if (resting_ && MonoNow() >= programs_.next_look()) TendPrograms(MonoNow());
    programs_.LookIfDue();
    SetPace();
    // What was decided is kept before it is told to anybody.
    keeper_->Tidy();
    if (events_waiting_) {
      events_waiting_ = false;
      link_.Pump();
    }
    control_.Pump();
  }

  // Milliseconds, -1: the next scan comes soon enough.
  int UntilLook() const {
    if (!resting_ || programs_.next_look() == MonoTime::max()) return -1;
    const Nanos left =
        std::clamp<Nanos>(programs_.next_look() - MonoNow(), Nanos(0), kRestInterval);
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
  }

  // A node that only keeps programs scans once a second: ten times a second is for hearts.
  void SetPace() {
    const bool rest = !classic_ && !canary_ && enforcer_.AtRest() && programs_.AtRest() &&
                      usage_.AtRest() && desk_.AtRest();
    if (rest == resting_) return;
    resting_ = rest;
    const Nanos interval =
        rest ? std::max(RestInterval(), settings_.scan_interval) : settings_.scan_interval;
    enforcer_.Pace(interval);
    if (absl::Status s = SetTimer(interval); !s.ok()) spdlog::error("{}", std::string(s.message()));
  }

  // The service manager may want to hear from us more often.
  Nanos RestInterval() const {
    const auto watchdog = manager_.watchdog_interval();
    return watchdog ? std::min<Nanos>(*watchdog, kRestInterval) : kRestInterval;
  }

  // From the scan only: a loop that runs and does not scan is no guard.
  void BeatForManager(MonoTime now) {
    const auto interval = manager_.watchdog_interval();
    if (!interval || now < next_watchdog_) return;
    next_watchdog_ = now + *interval;
    (void)manager_.Watchdog();
  }

  void TakeUpState() {
    std::map<PageId, UniqueFd> stored;
    for (ServiceManager::StoredFd& kept : manager_.TakeStoredFds()) {
      struct stat info {};
      if (fstat(kept.fd.get(), &info) == 0) stored[{info.st_dev, info.st_ino}] = std::move(kept.fd);
    }
    const std::string began =
        fmt::format("guardian {} began to {} as user {} (epoch {})", kVersion,
                    settings_.enforce ? "enforce" : "observe", geteuid(), log_.ring().epoch());
    keeper_->SetSnapshot([this] { return Snapshot(); });
    if (!keeper_->found()) {
      log_.Record(MakeEvent(v1::EVENT_KIND_GUARDIAN_STARTED, v1::SEVERITY_INFO, began));
      programs_.Begin(settings_.programs, nullptr);
      return;
    }
    const FoundState& found = *keeper_->found();
    takeovers_ = found.head.takeovers() + 1;
    for (const v1::Event& event : found.events) log_.Restore(event);
    log_.NumberFrom(found.last_seq);
    table_.NumberFrom(std::max(found.last_generation + 1, table_.next_generation()));
    enforcer_.NumberFrom(found.last_kill + 1);
    orders_.Restore(found.orders);
    log_.Record(MakeEvent(v1::EVENT_KIND_GUARDIAN_STARTED, v1::SEVERITY_INFO, began));
    take_up_.emplace(TakeUpParts{.table = &table_,
                                 .enforcer = &enforcer_,
                                 .log = &log_,
                                 .classic = classic_ ? &*classic_ : nullptr,
                                 .watch_exit = [this](Process& p) { return WatchExit(p); }});
    take_up_->Take(found, std::move(stored));
    programs_.Begin(settings_.programs, &found);
    keeper_->ForgetFound();
    keeper_->Rewrite();
  }

  std::vector<v1::StateRecord> Snapshot() const {
    std::vector<v1::StateRecord> records;
    v1::StateHead* head = records.emplace_back().mutable_head();
    head->set_version(StateKeeper::kVersion);
    head->set_boot_id(log_.boot_id());
    head->set_node(log_.node());
    head->set_epoch(log_.ring().epoch());
    head->set_last_seq(log_.ring().last_seq());
    head->set_last_generation(table_.next_generation() - 1);
    head->set_last_kill(enforcer_.next_kill() - 1);
    head->set_takeovers(takeovers_);
    for (const auto& [generation, slot] : table_.slots())
      *records.emplace_back().mutable_slot() = table_.RecordOf(*slot);
    for (const auto& [identity, process] : table_.processes()) {
      if (process->kill == nullptr) continue;
      *records.emplace_back().mutable_kill() =
          RecordOf(*process->kill, identity, process->uid, /*intent=*/false);
    }
    for (const std::string& id : orders_.ledger().oldest_first())
      records.emplace_back().set_order_taken(id);
    for (const v1::Event& event : log_.ring().events())
      *records.emplace_back().mutable_event() = event;
    *records.emplace_back().mutable_brake() = enforcer_.BrakeRecord();
    if (take_up_) take_up_->Snapshot(&records);
    programs_.Snapshot(&records);
    return records;
  }

  std::string ControlSocket() const { return settings_.runtime_dir + "/control.sock"; }

  v1::LocalHello Hello() const {
    v1::LocalHello hello;
    hello.set_node_id(log_.node());
    hello.set_boot_id(log_.boot_id());
    hello.set_software_version(kVersion);
    utsname host{};
    if (uname(&host) == 0) {
      hello.set_hostname(Printable(host.nodename));
      hello.set_kernel(Printable(host.release));
    }
    hello.set_mode(settings_.enforce ? "enforce" : "observe");
    hello.set_guardian_uid(static_cast<int32_t>(geteuid()));
    *hello.mutable_guardian_started_at() = ToProto(started_at_);
    return hello;
  }

  std::optional<v1::Slot> SlotAfter(int64_t generation) const {
    const auto next = table_.slots().upper_bound(generation);
    if (next == table_.slots().end()) return std::nullopt;
    return table_.Row(*next->second);
  }

  // A kill that the order began or joined has not ended.
  bool IsUnderWay(const std::string& order_id) const {
    for (const auto& [identity, process] : table_.processes()) {
      if (process->kill == nullptr) continue;
      for (const OrderRef& order : process->kill->orders) {
        if (order.id == order_id) return true;
      }
    }
    return false;
  }

  // The numbers below zero are the local desk's.
  std::optional<v1::DetailReply> FromUplink(const v1::DetailRequest& request) {
    if (request.request() < 0) return std::nullopt;
    return details_.Take(request, MonoNow(),
                         [this, to = link_.connection()](v1::DetailReply reply) {
                           // The next uplink counts its questions anew.
                           if (to == link_.connection()) link_.Answer(std::move(reply));
                         });
  }

  // Output that came later goes to whoever asked.
  void Answer(v1::DetailReply reply) {
    if (reply.request() < 0) {
      desk_.Answer(std::move(reply));
    } else {
      link_.Answer(std::move(reply));
    }
  }

  DetailDesk::Sources DetailSources() {
    return {.slot = [this](int64_t generation) -> std::optional<v1::SlotDetail> {
              const Slot* slot = table_.FindSlot(generation);
              if (slot == nullptr) return std::nullopt;
              return enforcer_.DetailOf(*slot);
            },
            .process = [this](int64_t generation) -> std::optional<ProcessIdentity> {
              const Slot* slot = table_.FindSlot(generation);
              if (slot == nullptr) return std::nullopt;
              return slot->process->identity();
            },
            .node = [this] { return NodeDetail(); },
            .output = [this](const v1::DetailRequest& request) { return ReadOutput(request); }};
  }

  std::optional<v1::DetailReply> ReadOutput(const v1::DetailRequest& request) {
    v1::DetailReply reply;
    reply.set_request(request.request());
    const std::string& label = request.output().program();
    if (!programs_.Row(label)) {
      reply.mutable_output()->set_error(
          fmt::format("there is no program \"{}\" on this node", Printable(label)));
    } else if (logger_.Read(request.request(), request.output())) {
      return std::nullopt;
    } else {
      reply.mutable_output()->set_error("the logger of this node does not run; try again");
    }
    return reply;
  }

  v1::NodeDetail NodeDetail() const {
    v1::NodeDetail node;
    node.set_software_version(kVersion);
    node.set_guardian_pid(getpid());
    node.set_guardian_epoch(log_.ring().epoch());
    *node.mutable_guardian_started_at() = ToProto(started_at_);
    node.set_takeovers(takeovers_);
    enforcer_.FillDetail(&node);
    if (canary_) *node.mutable_canary() = canary_->Detail();
    node.set_resident(ResidentBytes());
    return node;
  }

  absl::Status OpenPrograms() {
    if (!settings_.programs.empty() && !keeper_->keeping()) {
      return absl::FailedPreconditionError(fmt::format(
          "programs need runtime_dir in memory, or they would be started twice after a crash of "
          "this guardian: {} is not usable for that; put it on a tmpfs such as /run",
          settings_.runtime_dir));
    }
    return programs_.Open();
  }

  void TendPrograms(MonoTime now) {
    if (!programs_.empty()) logger_.Tend(now);
    programs_.Tend(now);
  }

  std::set<int32_t> OwnChildren() const {
    std::set<int32_t> pids = {uplink_.pid(), logger_.pid()};
    if (canary_) pids.insert(canary_->pid());
    return pids;
  }

  void OnOutputLost(const v1::LoggerLost& lost) {
    v1::Event event = MakeEvent(v1::EVENT_KIND_OUTPUT_LOST, v1::SEVERITY_WARNING,
                                fmt::format("{} bytes of the output of {} were lost: {}",
                                            lost.bytes(), lost.label(), lost.why()));
    event.set_program(lost.label());
    log_.Record(std::move(event));
  }

  void OnOutputTrouble(const v1::LoggerTrouble& trouble) {
    if (trouble.mended()) {
      spdlog::info("the output of {} can be written again", trouble.label());
    } else {
      spdlog::error("the output of {} cannot be written: {}; trying again", trouble.label(),
                    trouble.why());
    }
  }

  void TakeProgram(const v1::LinkProgramOrder& given) {
    orders_.TakeProgram(given, [this](const v1::ProgramOrder& order, const OrderRef& ref) {
      CarryOut(order, ref);
    });
  }

  void CarryOut(const v1::ProgramOrder& order, const OrderRef& ref) {
    if (order.action() == v1::PROGRAM_ACTION_RELOAD) {
      reloads_.Reload(ref);
    } else {
      programs_.Take(order, ref);
    }
  }

  void OnHandedOut(const Slot& slot, int page_fd) {
    if (canary_) canary_->OnRegistered(&table_, slot, MonoNow());
    // A service manager that has no room for it: the page can still be found in its process.
    (void)manager_.StoreFd(page_fd, NameOfStored(slot.generation));
    // From here on a guardian that takes over knows of it; only then does the process believe it is
    // guarded.
    keeper_->Commit();
  }

  absl::Status WatchSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_)
      return absl::ResourceExhaustedError(fmt::format("signalfd: {}", std::strerror(errno)));
    return poller_
        .Add(signals_.get(), EPOLLIN,
             [this](uint32_t) {
               signalfd_siginfo info{};
               if (read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info))
                 return;
               if (info.ssi_signo == SIGHUP) return reloads_.Reload({});
               stop_ = true;
               // Ctrl-C ends all that was started from here. A service manager's SIGTERM is often
               // an upgrade: the programs go on, and the next guardian takes them up.
               stop_programs_ = info.ssi_signo == SIGINT;
             })
        .status();
  }

  absl::Status StartTimer() {
    timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (absl::Status s = SetTimer(settings_.scan_interval); !s.ok()) return s;
    return poller_
        .Add(timer_.get(), EPOLLIN,
             [this](uint32_t) {
               uint64_t ticks = 0;
               if (read(timer_.get(), &ticks, sizeof ticks) > 0) scan_due_ = true;
             })
        .status();
  }

  // A first tick after `interval`, and one each `interval` from there on.
  absl::Status SetTimer(Nanos interval) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
    itimerspec every{};
    every.it_interval.tv_sec = seconds.count();
    every.it_interval.tv_nsec = (interval - seconds).count();
    every.it_value = every.it_interval;
    if (!timer_ || timerfd_settime(timer_.get(), 0, &every, nullptr) != 0)
      return absl::ResourceExhaustedError(fmt::format("timerfd: {}", std::strerror(errno)));
    return absl::OkStatus();
  }

  absl::Status WatchExit(Process& process) {
    // By identity, not by address: the process may be gone from the table when the handler runs.
    const ProcessIdentity identity = process.identity();
    auto token = poller_.Add(process.target->exit_fd(), EPOLLIN, [this, identity](uint32_t) {
      if (Process* p = table_.Find(identity)) enforcer_.OnExit(*p);
    });
    if (!token.ok()) return token.status();
    process.exit_watch = *token;
    return absl::OkStatus();
  }

  void OnRemoved(const Slot& slot) {
    link_.RowRemoved(slot.generation);
    if (slot.door == v1::DOOR_NATIVE) (void)manager_.RemoveFd(NameOfStored(slot.generation));
    if (classic_ && slot.row >= 0) classic_->OnSlotRemoved(slot, slot.row);
  }

  Settings settings_;
  ServiceManager manager_;
  UniqueFd lock_;
  Poller poller_;
  Board board_;
  std::unique_ptr<StateKeeper> keeper_;
  const std::chrono::system_clock::time_point started_at_;
  KernelClocks clocks_;
  EventLog log_;
  // Before all that may record an event, also in its end.
  ControlDoor control_;
  ControlDesk desk_;
  Table table_;
  Evidences evidence_;
  Enforcer enforcer_;
  UsageDesk usage_;
  DetailDesk details_;
  OrderDesk orders_;
  UplinkLink link_;
  UplinkChild uplink_;
  LoggerChild logger_;
  ProgramDesk programs_;
  ReloadDesk reloads_;
  NativeDoor native_;
  std::optional<ClassicDoor> classic_;
  std::optional<Canary> canary_;
  std::optional<TakeUp> take_up_;
  UniqueFd signals_;
  UniqueFd timer_;
  int64_t takeovers_ = 0;
  MonoTime next_watchdog_;
  bool scan_due_ = false;
  bool resting_ = false;
  bool events_waiting_ = false;
  bool stop_ = false;
  bool stop_programs_ = false;
};

// The board and the journal are for a folder in memory: on a disk that is slow or frozen they would
// hold up the guard.
Board OpenBoard(const Settings& settings, const std::string& boot_id, bool* keeps) {
  const auto cells = static_cast<size_t>(settings.limits.max_slots);
  auto board = Board::Open(settings.runtime_dir + "/board", boot_id, cells);
  *keeps = board.ok() && board->in_memory();
  if (*keeps) return *std::move(board);
  spdlog::warn("{}: should this guardian be killed, its slots have to register again",
               board.ok() ? fmt::format("runtime_dir {} lies on a disk, which may hold up the "
                                        "guard; put it on a tmpfs such as "
                                        "/run",
                                        settings.runtime_dir)
                          : std::string(board.status().message()));
  return Board::Anonymous(cells);
}

}  // namespace

absl::Status RunGuardian(const Settings& settings, ServiceManager manager) {
  // Blocked before any thread exists, so that they reach nobody but the signalfd.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();

  if (absl::Status s = EnsureFolder(settings.runtime_dir, 0755); !s.ok()) return s;
  if (absl::Status s = EnsureFolder(settings.state_dir, 0755); !s.ok()) return s;
  auto lock = LockFile(settings.runtime_dir + "/guardian.lock");
  if (!lock.ok()) return lock.status();
  const std::string boot_id = ReadBootId();
  bool keeps = false;
  Board board = OpenBoard(settings, boot_id, &keeps);
  auto keeper = std::make_unique<StateKeeper>(keeps ? settings.runtime_dir + "/journal" : "",
                                              boot_id, settings.node);
  int64_t epoch = 0;
  if (keeper->found()) {
    // One life in the eyes of everybody else: numbers go on where they were.
    epoch = keeper->found()->head.epoch();
  } else {
    absl::Status stored;
    epoch = NextEpoch(settings.state_dir + "/epoch", MillisecondsOfWallTime(), &stored);
    if (!stored.ok()) {
      spdlog::error(
          "the guardian's epoch could not be stored ({}); going on with one made from the clock",
          std::string(stored.message()));
    }
  }
  auto poller = Poller::Create();
  if (!poller.ok()) return poller.status();
  const auto guardian =
      std::make_unique<Guardian>(settings, std::move(manager), *std::move(poller), std::move(board),
                                 std::move(keeper), boot_id, epoch);
  if (absl::Status s = guardian->Open(*std::move(lock)); !s.ok()) return s;
  guardian->Run();
  return absl::OkStatus();
}

}  // namespace procctl::node
