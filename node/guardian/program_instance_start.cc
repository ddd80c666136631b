// How an instance is started: its environment, cgroup, sockets and slot, then its process at the
// gate.
#include <sys/epoll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "node/guardian/program_instance.h"
#include "node/os/clock.h"
#include "node/os/output_fifo.h"
#include "node/os/proc_file.h"
#include "node/os/state_files.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr char kStandardPath[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The page of whoever need not beat: it has beaten once, and says nothing.
std::shared_ptr<const procctl_page> SilentPage() {
  static const std::shared_ptr<const procctl_page> page = [] {
    auto made = std::make_shared<procctl_page>();
    made->beats = 1;
    return made;
  }();
  return page;
}

}  // namespace

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
  attach.set_stdout_journal(output.stdout_journal);
  attach.set_stderr_journal(output.stderr_to_stdout ? output.stdout_journal
                                                    : output.stderr_journal);
  attach.set_max_size(output.max_size);
  attach.set_keep(output.keep);
  parts_->logger->Attach(attach);
}

HeartTerms ProgramInstance::FirstTerms() const {
  HeartTerms terms;
  if (life_->spec().door != v1::DOOR_NOTIFY) return terms;
  terms.timeout = life_->spec().watchdog;
  terms.start_grace = life_->spec().start_grace;
  return terms;
}

void ProgramInstance::Own(Process* row, const std::string& run) {
  const bool others_show_it = row->program != life_->label();
  row->program = life_->label();
  row->run = run;
  row->stop_signal = life_->spec().stop_signal;
  // Other hearts of it were in the table before.
  if (others_show_it) parts_->table->Changed(*row);
}

absl::StatusOr<Process*> ProgramInstance::AddProcess(const std::string& run) {
  // It may be in the table for other hearts that it has.
  Process* row = parts_->table->Find(process_->identity());
  if (row == nullptr) {
    auto handle = process_->Duplicate();
    if (!handle.ok()) return handle.status();
    row = &parts_->table->AddProcess(std::make_unique<ProcessRef>(*std::move(handle)), Uid());
    if (absl::Status s = parts_->watch_exit(*row); !s.ok()) {
      parts_->table->Settle(*row);
      return s;
    }
  }
  Own(row, run);
  return row;
}

absl::StatusOr<Slot*> ProgramInstance::AddSlot(Process* row, HeartTerms terms) {
  Table::NewSlot what;
  what.name = life_->label();
  what.terms = terms;
  what.door = life_->spec().door == v1::DOOR_NOTIFY ? v1::DOOR_NOTIFY : v1::DOOR_PROGRAM;
  if (what.door == v1::DOOR_PROGRAM) {
    page_.reset();
    what.page = SilentPage();
  } else {
    if (page_ == nullptr) {
      page_ = std::make_shared<procctl_page>();
      page_->beats = 1;
    }
    what.page = page_;
  }
  Slot* own = parts_->table->AddSlot(*row, std::move(what), WallNow());
  if (own == nullptr) {
    row->program.clear();
    parts_->table->Changed(*row);
    parts_->table->Settle(*row);
    return absl::ResourceExhaustedError("the heartbeat table is full (heartbeat.max_slots)");
  }
  own->rules.grace = life_->spec().grace;
  return own;
}

absl::Status ProgramInstance::TakeSlot() {
  const auto row = AddProcess(life_->NextRun());
  if (!row.ok()) return row.status();
  page_.reset();
  const auto own = AddSlot(*row, FirstTerms());
  if (!own.ok()) return own.status();
  life_->Started(ProgramNow(), parts_->table->IncarnationOf(**own));
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
  auto watch =
      parts_->poller->Add(held->error_fd(), EPOLLIN | EPOLLHUP, [this](uint32_t) { OnOutcome(); });
  if (!watch.ok()) return watch.status();
  outcome_watch_ = *watch;
  process_.emplace(held->TakeProcess());
  last_ = process_->identity();
  parts_->oom->Begins(last_.pid);
  if (absl::Status s = TakeSlot(); !s.ok()) {
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
  resident_ = 0;
  process_.reset();
  last_ = {};
  tree_.Clear();
  claim_.reset();
  next_claim_ = MonoTime();
  deaf_.reset();
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

}  // namespace procctl::node
