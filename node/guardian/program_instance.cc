#include "node/guardian/program_instance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "node/core/kill_words.h"
#include "node/os/clock.h"
#include "node/os/output_fifo.h"
#include "node/os/proc_file.h"
#include "node/os/state_files.h"
#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr char kStandardPath[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Many times what the kernel queues on one socket.
constexpr int kMostNotifications = 256;
// What service managers grant for a stop unless told otherwise.
constexpr Nanos kStopTime = std::chrono::seconds(90);
// How long the parent of a process that is not our child may take to reap it.
constexpr Nanos kReapPatience = std::chrono::seconds(1);
// SIGKILL to a tree is repeated: whoever forked in that moment is met by the next.
constexpr Nanos kKillAgain = std::chrono::seconds(1);
constexpr Nanos kUnkillable = std::chrono::seconds(10);
constexpr Nanos kMeasureEvery = std::chrono::seconds(10);
constexpr Nanos kMeasureLimitEvery = std::chrono::seconds(1);
constexpr size_t kMostNamed = 16;

// The page of whoever need not beat: it has beaten once, and says nothing.
std::shared_ptr<const procctl_page> SilentPage() {
  static const std::shared_ptr<const procctl_page> page = [] {
    auto made = std::make_shared<procctl_page>();
    made->beats = 1;
    return made;
  }();
  return page;
}

void Put(char* to, size_t size, std::string_view text) {
  std::memset(to, 0, size);
  std::memcpy(to, text.data(), std::min(size, text.size()));
}

bool Moved(int64_t before, int64_t after) {
  return std::abs(after - before) > std::max<int64_t>(before / 8, 1 << 20);
}

}  // namespace

ProgramTime ProgramNow() { return {MonoNow(), absl::FromChrono(WallNow())}; }

ProgramInstance::ProgramInstance(const ProgramParts* parts, std::unique_ptr<ProgramLife> life)
    : parts_(parts), life_(std::move(life)) {}

ProgramInstance::~ProgramInstance() {
  parts_->poller->Remove(outcome_watch_);
  parts_->poller->Remove(notify_watch_);
}

Slot* ProgramInstance::slot() const {
  if (!life_->has_process()) return nullptr;
  return parts_->table->FindSlot(life_->incarnation().generation());
}

v1::Event ProgramInstance::Subject() const {
  v1::Event event;
  event.set_program(life_->label());
  event.set_name(life_->spec().name);
  event.set_run(life_->run());
  event.set_door(life_->spec().door);
  if (const Slot* own = slot()) {
    event.set_slot(own->label);
    *event.mutable_incarnation() = parts_->table->IncarnationOf(*own);
  } else {
    event.set_slot(life_->label());
    if (last_.pid > 0) {
      event.mutable_incarnation()->set_boot_id(parts_->table->boot_id());
      event.mutable_incarnation()->set_pid(last_.pid);
      event.mutable_incarnation()->set_start_ticks(last_.start_ticks);
    }
  }
  return event;
}

v1::Program ProgramInstance::Row() const {
  v1::Program row = life_->Row(ProgramNow());
  if (life_->has_process()) {
    *row.mutable_usage() = usage_shown_;
    if (cgroup_) row.set_cgroup(cgroup_->path());
  }
  return row;
}

v1::ProgramRecord ProgramInstance::Record() const {
  v1::ProgramRecord record = life_->Record();
  record.set_notify_socket(notify_.ok() ? notify_.path() : "");
  if (cgroup_) record.set_cgroup(cgroup_->path());
  record.set_oom_kills_before(oom_kills_before_);
  return record;
}

std::vector<std::string> ProgramInstance::Environment(
    const std::vector<std::string>& env_files) const {
  const ProgramSpec& spec = life_->spec();
  std::vector<std::string> out;
  std::set<std::string, std::less<>> names;
  const auto add = [&](const std::string& entry) {
    if (names.insert(entry.substr(0, entry.find('='))).second) out.push_back(entry);
  };
  // What comes first wins.
  add("PROCCTL_PROGRAM=" + spec.name);
  add("PROCCTL_INSTANCE=" + std::to_string(life_->instance()));
  add("PROCCTL_RUN=" + life_->NextRun());
  add("PROCCTL_HEARTBEAT_SOCKET=" + parts_->heartbeat_socket);
  if (notify_.ok()) {
    add("NOTIFY_SOCKET=" + notify_.path());
    if (spec.watchdog > Nanos(0)) {
      add(fmt::format(
          "WATCHDOG_USEC={}",
          std::chrono::duration_cast<std::chrono::microseconds>(spec.watchdog).count()));
    }
  }
  for (const std::string& entry : spec.env) add(entry);
  for (const std::string& entry : env_files) add(entry);
  if (spec.user) {
    add("HOME=" + spec.user->home);
    add("USER=" + spec.user->name);
    add("LOGNAME=" + spec.user->name);
    add("SHELL=" + spec.user->shell);
  } else {
    for (const char* name : {"HOME", "USER", "LOGNAME", "SHELL"}) {
      if (const char* value = std::getenv(name)) add(fmt::format("{}={}", name, value));
    }
  }
  add(kStandardPath);
  add("LANG=C.UTF-8");
  return out;
}

absl::Status ProgramInstance::MakeCgroup() {
  const CgroupLimits& limits = life_->spec().limits.cgroup;
  if (!parts_->cgroups->available()) {
    cgroup_.reset();
    if (limits.any()) return parts_->cgroups->Check(limits);
    return absl::OkStatus();
  }
  auto made = parts_->cgroups->Make(life_->label());
  if (!made.ok()) return made.status();
  if (absl::Status s = made->Apply(limits); !s.ok()) return s;
  cgroup_ = *std::move(made);
  oom_kills_before_ = cgroup_->OomKills();
  return absl::OkStatus();
}

absl::Status ProgramInstance::OpenNotify() {
  parts_->poller->Remove(std::exchange(notify_watch_, 0));
  if (life_->spec().door != v1::DOOR_NOTIFY) {
    notify_.Close();
    return absl::OkStatus();
  }
  int error = 0;
  // A socket for each life: what the one before still had to say is not heard as if from this one.
  notify_ = notify::Receiver::Open(parts_->folder, &error);
  if (error != 0)
    return absl::ResourceExhaustedError(
        fmt::format("no socket for its notifications: {}", std::strerror(error)));
  auto watch = parts_->poller->Add(notify_.fd(), EPOLLIN, [this](uint32_t) { OnNotify(); });
  if (!watch.ok()) return watch.status();
  notify_watch_ = *watch;
  return absl::OkStatus();
}

void ProgramInstance::AttachOutput() {
  if (parts_->logger == nullptr) return;
  const OutputRule& output = life_->spec().output;
  v1::LoggerAttach attach;
  attach.set_label(life_->label());
  attach.set_stdout_fifo(path(".out"));
  if (!output.stderr_to_stdout) attach.set_stderr_fifo(path(".err"));
  attach.set_stdout_path(output.stdout_path);
  attach.set_stderr_path(output.stderr_to_stdout ? output.stdout_path : output.stderr_path);
  attach.set_max_size(output.max_size);
  attach.set_keep(output.keep);
  parts_->logger->Attach(attach);
}

absl::Status ProgramInstance::AddSlot(ProcessRef process, int64_t uid) {
  const ProgramSpec& spec = life_->spec();
  Table::NewSlot what;
  what.name = life_->label();
  what.door = spec.door == v1::DOOR_NOTIFY ? v1::DOOR_NOTIFY : v1::DOOR_PROGRAM;
  if (what.door == v1::DOOR_NOTIFY) {
    page_ = std::make_shared<procctl_page>();
    page_->beats = 1;
    what.page = page_;
    what.terms.timeout = spec.watchdog;
    what.terms.start_grace = spec.start_grace;
  } else {
    page_.reset();
    what.page = SilentPage();
  }
  Process& row = parts_->table->AddProcess(std::make_unique<ProcessRef>(std::move(process)), uid);
  row.program = life_->label();
  row.run = life_->NextRun();
  row.stop_signal = spec.stop_signal;
  Slot* own = parts_->table->AddSlot(row, std::move(what), WallNow());
  if (own == nullptr) {
    parts_->table->Settle(row);
    return absl::ResourceExhaustedError("the heartbeat table is full (heartbeat.max_slots)");
  }
  own->rules.grace = spec.grace;
  if (absl::Status s = parts_->watch_exit(row); !s.ok()) {
    parts_->table->RemoveProcess(row);
    return s;
  }
  life_->Started(ProgramNow(), parts_->table->IncarnationOf(*own));
  return absl::OkStatus();
}

absl::Status ProgramInstance::MakeProcess(const std::vector<std::string>& argv,
                                          const std::vector<std::string>& env_files) {
  const ProgramSpec& spec = life_->spec();
  if (absl::Status s = MakeCgroup(); !s.ok()) return s;
  if (absl::Status s = OpenNotify(); !s.ok()) return s;
  ProgramStart start;
  start.argv = argv;
  start.env = Environment(env_files);
  start.dir = spec.dir;
  start.umask = spec.umask;
  start.user = spec.user ? &*spec.user : nullptr;
  if (parts_->logger != nullptr) {
    start.stdout_fifo = path(".out");
    start.stderr_fifo = path(spec.output.stderr_to_stdout ? ".out" : ".err");
    for (const std::string& fifo : {start.stdout_fifo, start.stderr_fifo}) {
      if (absl::Status s = MakeOutputFifo(fifo); !s.ok()) return s;
    }
    AttachOutput();
  }
  start.rlimits = spec.limits.rlimits;
  start.nice = spec.limits.nice;
  start.oom_score_adj = spec.limits.oom_score_adj;
  if (cgroup_) start.cgroup_procs = cgroup_->procs_path();
  start.mark_path = path(".run");
  start.mark = life_->NextRun();
  auto held = HeldProgram::Start(start);
  if (!held.ok()) return held.status();
  auto own = held->process().Duplicate();
  if (!own.ok()) return own.status();
  auto watch =
      parts_->poller->Add(held->error_fd(), EPOLLIN | EPOLLHUP, [this](uint32_t) { OnOutcome(); });
  if (!watch.ok()) return watch.status();
  outcome_watch_ = *watch;
  process_.emplace(*std::move(own));
  last_ = process_->identity();
  parts_->oom->Begins(last_.pid);
  const int64_t uid = spec.user ? spec.user->uid : geteuid();
  if (absl::Status s = AddSlot(held->TakeProcess(), uid); !s.ok()) {
    parts_->poller->Remove(std::exchange(outcome_watch_, 0));
    return s;
  }
  held_.emplace(*std::move(held));
  return absl::OkStatus();
}

void ProgramInstance::Start(const std::vector<std::string>& argv,
                            const std::vector<std::string>& env_files) {
  // What there is to tell of the life before is told in its name.
  PutOnRecord();
  start_error_.clear();
  adopted_ = notify_ready_ = sweeping_ = swept_hard_ = told_unkillable_ = false;
  said_stranger_ = said_garbage_ = said_main_ = said_longer_ = false;
  usage_ = usage_shown_ = {};
  measure_at_ = MonoTime();
  process_.reset();
  last_ = {};
  if (absl::Status s = MakeProcess(argv, env_files); !s.ok()) {
    // One that was made and not let go ends by itself, without exec.
    life_->CouldNotStart(ProgramNow(), std::string(s.message()), parts_->random());
    parts_->look_soon();
    return;
  }
  // Whoever takes over knows of it, and has its start on record, before it does anything.
  PutOnRecord();
  parts_->journal->Commit();
  held_->Release();
}

void ProgramInstance::PutOnRecord() {
  for (ProgramLife::Notice& notice : life_->TakeNotices()) {
    v1::Event event = Subject();
    event.set_kind(notice.kind);
    event.set_severity(notice.severity);
    event.set_message(std::move(notice.message));
    if (notice.death) {
      event.set_cause(notice.death->cause());
      *event.mutable_death() = *std::move(notice.death);
      event.set_kill(last_kill_.kill());
      event.set_symptom(last_kill_.symptom());
      event.set_issuer(last_kill_.issuer());
      event.set_reason(last_kill_.reason());
    }
    parts_->log->Record(std::move(event));
  }
  if (!life_->TakeChanged()) return;
  row_moved_ = true;
  v1::StateRecord record;
  *record.mutable_program() = Record();
  parts_->journal->Put(std::move(record));
}

void ProgramInstance::OnOutcome() {
  if (!held_) return;
  const std::optional<absl::Status> outcome = held_->TakeOutcome();
  if (!outcome) return;
  parts_->poller->Remove(std::exchange(outcome_watch_, 0));
  held_.reset();
  parts_->look_soon();
  if (outcome->ok()) {
    Passed();
  } else {
    // Its end, which follows at once, is told with this.
    start_error_ = std::string(outcome->message());
  }
}

void ProgramInstance::Passed() {
  life_->Passed();
  if (life_->spec().door != v1::DOOR_NOTIFY) life_->Ready(ProgramNow());
}

bool ProgramInstance::MarkSaysPassed() const {
  const auto text = ReadSmallFile(path(".run"), 512);
  return text && *text == life_->run();
}

void ProgramInstance::Stop(const ProgramLife::Step& step) {
  Slot* own = slot();
  if (own == nullptr) return;
  if (own->process->kill != nullptr && !own->process->kill->of_heart()) return;
  parts_->enforcer->Stop(*own, step.cause, life_->spec().grace, step.by);
}

// ---- notifications

void ProgramInstance::OnNotify() {
  for (int i = 0; i < kMostNotifications; ++i) {
    const auto datagram = notify_.Receive();
    if (!datagram) return;
    if (!MaySpeak(datagram->sender)) {
      Complain(&said_stranger_, fmt::format("process {} may not speak for it; see notify_access",
                                            datagram->sender.pid));
      continue;
    }
    const auto message = notify::Parse(datagram->bytes);
    if (!message || message->bad > 0)
      Complain(&said_garbage_, "it sends notifications that make no sense; passed over");
    if (message) Heed(*message);
  }
}

bool ProgramInstance::MaySpeak(const ucred& sender) const {
  if (!process_ || sender.pid <= 0) return false;
  if (sender.pid == process_->identity().pid) return true;
  if (!life_->spec().notify_all) return false;
  if (const auto stat = ReadStat(sender.pid); stat && stat->session == process_->identity().pid)
    return true;
  if (!cgroup_) return false;
  const auto members = cgroup_->Members();
  return std::any_of(members.begin(), members.end(),
                     [&](const TreeMember& member) { return member.pid == sender.pid; });
}

void ProgramInstance::Complain(bool* said, const std::string& what) {
  if (std::exchange(*said, true)) return;
  spdlog::warn("{}: {}", life_->label(), what);
}

void ProgramInstance::Heed(const notify::Message& message) {
  Slot* own = slot();
  if (own == nullptr || page_ == nullptr) return;
  procctl_page& page = *page_;
  // One thread writes and reads this page, but through the same atomic accesses as any other.
  const auto set = [&page](uint32_t flag, bool on) {
    const uint32_t flags = __atomic_load_n(&page.flags, __ATOMIC_RELAXED);
    __atomic_store_n(&page.flags, on ? flags | flag : flags & ~flag, __ATOMIC_RELEASE);
  };
  const auto busy = [&](Nanos length) {
    page.busy_ms =
        static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(length).count());
    ++page.busy_count;
    set(PROCCTL_PAGE_BUSY, true);
  };
  if (message.main_pid && *message.main_pid != process_->identity().pid) {
    Complain(&said_main_,
             fmt::format("MAINPID={} is not the process that was started; it goes on being watched "
                         "(run the program in the foreground)",
                         *message.main_pid));
  }
  if (message.watchdog_limit && life_->spec().watchdog > Nanos(0)) {
    const Nanos asked = *message.watchdog_limit;
    // An operator's word stands above the program's.
    if (asked > life_->spec().watchdog) {
      Complain(&said_longer_,
               fmt::format("it asks for a watchdog of {}; it stays at {}", FormatDuration(asked),
                           FormatDuration(life_->spec().watchdog)));
    }
    parts_->table->SetTimeout(
        *own, std::clamp(asked, std::min(parts_->min_timeout, life_->spec().watchdog),
                         life_->spec().watchdog));
  }
  if (message.status) {
    Put(page.note, sizeof page.note, *message.status);
  } else if (message.error_number && *message.error_number != 0) {
    Put(page.note, sizeof page.note,
        fmt::format("it says: {}", std::strerror(*message.error_number)));
  }
  if (message.trigger) {
    Put(page.note, sizeof page.note, "it gave itself up (WATCHDOG=trigger)");
    set(PROCCTL_PAGE_FAILED, true);
  }
  if (message.ready) {
    notify_ready_ = true;
    Put(page.phase, sizeof page.phase, "");
    set(PROCCTL_PAGE_BUSY, false);
    set(PROCCTL_PAGE_READY, true);
    if (!life_->passed()) life_->Passed();
    life_->Ready(ProgramNow());
    parts_->look_soon();
  }
  if (message.reloading) Put(page.phase, sizeof page.phase, "reloading");
  if (message.watchdog) set(PROCCTL_PAGE_BUSY, false);
  if (message.stopping) {
    Put(page.phase, sizeof page.phase, "stopping");
    busy(kStopTime);
  }
  if (message.extend) {
    if (notify_ready_) {
      busy(*message.extend);
    } else {
      parts_->table->ExtendStart(*own, *message.extend);
    }
  }
  if (message.watchdog || message.ready)
    __atomic_store_n(&page.beats, page.beats + 1, __ATOMIC_RELAXED);
  if (message.status || message.reloading || message.stopping || message.ready)
    parts_->table->Changed(*own);
}

// ---- the end

void ProgramInstance::OnEnding(const Process& process) {
  const v1::Cause kill_cause = process.kill != nullptr && process.kill->ladder.term_sent()
                                   ? process.kill->subject.cause()
                                   : v1::CAUSE_UNSPECIFIED;
  last_kill_.Clear();
  if (kill_cause != v1::CAUSE_UNSPECIFIED) last_kill_ = process.kill->subject;
  const MonoTime now = MonoNow();
  kill_tree_at_ = now + life_->spec().grace;
  if (process.kill != nullptr && process.kill->ladder.term_sent())
    kill_tree_at_ = process.kill->ladder.first_signal() + process.kill->ladder.grace();
  if (held_) OnOutcome();
  if (held_) {
    parts_->poller->Remove(std::exchange(outcome_watch_, 0));
    held_.reset();
  }
  // What it said last counts: the word may have been on its way.
  if (notify_.ok()) OnNotify();
  const EndStatus end = ReapOwnChild(*process_);
  if (!end.known && end.may_follow) {
    late_ = Late{kill_cause, now + kReapPatience};
    return;
  }
  Finish(end, kill_cause);
}

void ProgramInstance::Finish(const EndStatus& end, v1::Cause kill_cause) {
  const ProgramTime now = ProgramNow();
  late_.reset();
  if (adopted_ && !life_->passed() && !MarkSaysPassed()) {
    life_->NeverPassed(now);
    PutOnRecord();
    parts_->look_soon();
    return;
  }
  ProgramEnd what;
  what.status_known = end.known;
  what.exit_code = end.exit_code;
  what.signal = end.signal;
  what.core_dumped = end.core_dumped;
  what.cpu = end.cpu;
  what.max_resident = end.max_resident;
  what.oom_kills = cgroup_ ? cgroup_->OomKills() - oom_kills_before_ : 0;
  if (kill_cause != v1::CAUSE_UNSPECIFIED) {
    what.cause = kill_cause;
  } else if (!start_error_.empty()) {
    what.cause = v1::CAUSE_START_FAILED;
  } else if (!end.known) {
    what.cause = v1::CAUSE_UNKNOWN;
  } else if (end.signal == 0) {
    what.cause = v1::CAUSE_EXIT;
  } else {
    const bool oom = end.signal == SIGKILL &&
                     (parts_->oom->TakeVictim(process_->identity().pid) || what.oom_kills > 0);
    what.cause = oom ? v1::CAUSE_OOM : v1::CAUSE_SIGNAL;
  }
  life_->Ended(now, what, start_error_, parts_->random());
  // At once: whatever else is committed before the next look would keep the one without the other,
  // and the next guardian would tell this end again, or never.
  PutOnRecord();
  parts_->ask_last_words(life_->label(), life_->run(), last_kill_.kill());
  if (TreeEmpty()) {
    life_->TreeGone(now);
  } else {
    sweeping_ = true;
    // Nobody has asked the rest of it yet.
    SignalTree(life_->spec().stop_signal);
    SignalTree(SIGCONT);
  }
  parts_->look_soon();
}

bool ProgramInstance::TreeEmpty() const {
  if (cgroup_) return !cgroup_->Populated();
  // A group that is empty takes no signal. Whoever left it is found as an orphan.
  return !process_ || SignalGroup(*process_, 0).sent == Target::Sent::kGone;
}

void ProgramInstance::SignalTree(int signal) {
  if (cgroup_ && signal == SIGKILL) {
    if (absl::Status s = cgroup_->Kill(); !s.ok())
      spdlog::error("{}: its cgroup cannot be killed: {}", life_->label(),
                    std::string(s.message()));
    return;
  }
  if (process_) (void)SignalGroup(*process_, signal);
  if (process_ && signal == SIGKILL) (void)SignalSession(process_->identity(), signal);
}

std::string ProgramInstance::NamesOfTree() const {
  const std::vector<TreeMember> members =
      cgroup_ ? cgroup_->Members()
              : (process_ ? SessionMembers(process_->identity()) : std::vector<TreeMember>());
  std::string names;
  for (size_t i = 0; i < members.size() && i < kMostNamed; ++i)
    names += fmt::format("{}{} (pid {})", i == 0 ? "" : ", ", members[i].comm, members[i].pid);
  if (members.size() > kMostNamed)
    names += fmt::format(" and {} more", members.size() - kMostNamed);
  return names.empty() ? "processes that are not shown" : names;
}

void ProgramInstance::TellLeftovers(v1::Severity severity, const std::string& what) {
  v1::Event event = Subject();
  event.set_kind(v1::EVENT_KIND_PROGRAM_LEFTOVERS);
  event.set_severity(severity);
  event.set_message(what);
  parts_->log->Record(std::move(event));
}

void ProgramInstance::Tend(MonoTime now) {
  // Its gate was opened right before the guardian of that time was killed: it may leave its mark
  // only now.
  if (adopted_ && life_->has_process() && !life_->passed() && MarkSaysPassed()) {
    life_->Passed();
    life_->Ready(ProgramNow());
    parts_->look_soon();
  }
  if (late_) {
    const EndStatus end = ReapOwnChild(*process_);
    if (end.known || now >= late_->until) Finish(end, late_->kill_cause);
  }
  if (!sweeping_) return;
  if (TreeEmpty()) {
    sweeping_ = false;
    life_->TreeGone(ProgramNow());
    parts_->look_soon();
    return;
  }
  if (now < kill_tree_at_) return;
  if (!swept_hard_) {
    TellLeftovers(v1::SEVERITY_WARNING,
                  fmt::format("{} left behind {}: still there after its grace of {}; SIGKILL",
                              life_->label(), NamesOfTree(), FormatDuration(life_->spec().grace)));
  } else if (!told_unkillable_ && now >= kill_tree_at_ + kUnkillable) {
    told_unkillable_ = true;
    TellLeftovers(v1::SEVERITY_ALARM,
                  fmt::format("{} is not started again while {} does not end on SIGKILL",
                              life_->label(), NamesOfTree()));
  }
  SignalTree(SIGKILL);
  if (!swept_hard_) {
    swept_hard_ = true;
  } else {
    kill_tree_at_ = told_unkillable_ ? now + kKillAgain : kill_tree_at_;
  }
}

void ProgramInstance::Measure(MonoTime now) {
  if (!life_->has_process() || now < measure_at_) return;
  const bool limited = life_->spec().limits.restart_above_memory.has_value();
  measure_at_ = now + (limited ? kMeasureLimitEvery : kMeasureEvery);
  usage_ = usage_reader_.Read(process_->identity().pid, now);
  if (Moved(usage_shown_.resident(), usage_.resident()) ||
      std::abs(usage_shown_.cpu_percent() - usage_.cpu_percent()) > 2 ||
      usage_shown_.threads() != usage_.threads() ||
      std::abs(usage_shown_.descriptors() - usage_.descriptors()) > 2) {
    usage_shown_ = usage_;
    life_->RowMoved();
  }
}

void ProgramInstance::ApplyLive() {
  if (Slot* own = slot()) {
    own->rules.grace = life_->spec().grace;
    own->process->stop_signal = life_->spec().stop_signal;
  }
  if (life_->has_process()) AttachOutput();
}

bool ProgramInstance::gone() const {
  return life_->removed() && !life_->has_process() && !sweeping_ && !late_ && !held_;
}

void ProgramInstance::Leave() { notify_.Leave(); }

// ---- taking up

void ProgramInstance::Adopt(const v1::ProgramRecord& record, Slot* own) {
  if (!life_->has_process()) {
    // Between two lives. What the last one left behind was being swept.
    if (parts_->cgroups->available() && !record.cgroup().empty())
      cgroup_ = parts_->cgroups->Adopt(life_->label());
    if (cgroup_ && cgroup_->Populated()) {
      life_->Sweep();
      sweeping_ = true;
      kill_tree_at_ = MonoNow() + life_->spec().grace;
    }
    return;
  }
  adopted_ = true;
  last_ = {record.incarnation().pid(), record.incarnation().start_ticks()};
  oom_kills_before_ = record.oom_kills_before();
  if (!record.cgroup().empty()) cgroup_ = parts_->cgroups->Adopt(life_->label());
  auto ref = ProcessRef::Open(record.incarnation().pid());
  if (ref.ok() && ref->identity().start_ticks == record.incarnation().start_ticks() &&
      own != nullptr) {
    process_.emplace(*std::move(ref));
    own->process->program = life_->label();
    own->process->run = life_->run();
    own->process->stop_signal = life_->spec().stop_signal;
    own->rules.grace = life_->spec().grace;
    if (own->door == v1::DOOR_NOTIFY) {
      // What it said while nobody listened is lost: it is not held against it.
      page_ = std::const_pointer_cast<procctl_page>(own->page);
      page_->flags |= PROCCTL_PAGE_READY;
      notify_ready_ = true;
      int error = 0;
      notify_ = notify::Receiver::OpenAgain(record.notify_socket(), &error);
      if (error == 0) {
        auto watch = parts_->poller->Add(notify_.fd(), EPOLLIN, [this](uint32_t) { OnNotify(); });
        if (watch.ok()) notify_watch_ = *watch;
      } else {
        spdlog::error("{}: its notifications cannot be heard any more: {}", life_->label(),
                      std::strerror(error));
      }
    }
    AttachOutput();
    if (life_->passed() || MarkSaysPassed()) {
      life_->Passed();
      life_->Ready(ProgramNow());
    }
    return;
  }
  if (ref.ok() && ref->identity().start_ticks == record.incarnation().start_ticks()) {
    // It lives, and its slot could not be taken up: told as SLOT_LOST. It is guarded no more, and
    // not started a second time beside itself.
    process_.emplace(*std::move(ref));
  }
  Finish(EndStatus{}, v1::CAUSE_UNSPECIFIED);
}

}  // namespace procctl::node
