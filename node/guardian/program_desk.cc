#include "node/guardian/program_desk.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "node/core/reload_plan.h"
#include "node/guardian/program_prepare.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "node/os/program_tree.h"
#include "node/os/state_files.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// Forks whose exec is not known yet, and forks in one look: five hundred programs are up within a
// second or so, and no scan waits for them.
constexpr int kMostStarting = 32;
constexpr Nanos kOrphansEvery = std::chrono::milliseconds(950);
// A second, and a scan a second apart from the last may come a little early.
constexpr Nanos kTendEvery = std::chrono::milliseconds(950);
// How long a disk may take to say where a program is and what its environment files hold.
constexpr Nanos kPreparePatience = std::chrono::seconds(30);
// How long after its grace a program that needs another one may hold up the stop of that one: it is
// UNKILLABLE by then.
constexpr Nanos kNeedPatience = std::chrono::seconds(15);

uint64_t SeedOf(const std::string& node, const std::string& label) {
  // FNV-1a: the same on every build, so that a restart of the guardian moves no due time.
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : node + "/" + label)
    hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  return hash;
}

// A name of its own for each guardian of a host: the runtime folder is what tells them apart.
std::string TreeName(const std::string& runtime_dir) {
  struct stat info {};
  if (stat(runtime_dir.c_str(), &info) != 0) return "procctl";
  return runtime_dir == "/run/procctl" ? "procctl"
                                       : fmt::format("procctl-{}-{}", info.st_dev, info.st_ino);
}

constexpr size_t kMostWordsAsked = 1000;

// Line ends stay what they are.
std::string EscapeLines(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    out += Escape(bytes.substr(0, end));
    if (end == std::string_view::npos) break;
    out += '\n';
    bytes.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

ProgramDesk::ProgramDesk(World world)
    : world_(std::move(world)),
      cgroups_(CgroupTree::Open(TreeName(world_.runtime_dir))),
      oom_(OomLog::Open()),
      randomness_(std::random_device{}()),
      prepare_({.at_once = 4, .threads = 8, .queued = 2000}),
      keep_({.at_once = 1, .threads = 2, .queued = 1000}) {
  parts_ = {.table = world_.table,
            .enforcer = world_.enforcer,
            .log = world_.log,
            .journal = world_.journal,
            .poller = world_.poller,
            .logger = world_.logger,
            .cgroups = &cgroups_,
            .oom = &oom_,
            .folder = world_.runtime_dir + "/programs",
            .heartbeat_socket = world_.runtime_dir + "/heartbeat.sock",
            .min_timeout = world_.min_timeout,
            .watch_exit = world_.watch_exit,
            .look_soon = [this] { look_due_ = true; },
            .random = [this] { return std::uniform_real_distribution<double>(0, 1)(randomness_); },
            .is_of_others =
                [this](const ProgramInstance& asking, int32_t pid) {
                  return world_.own_children().contains(pid) ||
                         std::any_of(instances_.begin(), instances_.end(), [&](const auto& entry) {
                           const ProgramInstance& other = *entry.second;
                           return &other != &asking &&
                                  (other.main_pid() == pid || other.Knows(pid));
                         });
                },
            .ask_last_words =
                [this](const std::string& label, const std::string& run, int64_t kill) {
                  AskLastWords({label, run, kill});
                }};
}

ProgramDesk::~ProgramDesk() {
  world_.poller->Remove(prepare_watch_);
  world_.poller->Remove(keep_watch_);
}

absl::Status ProgramDesk::Open() {
  // Sockets below it are opened by programs of other users; what they are called is not shown.
  if (absl::Status s = EnsureFolder(parts_.folder, 0711); !s.ok()) return s;
  // What outlives its parent comes to us instead of to init, and can be named.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    spdlog::warn("the guardian cannot take orphans of programs: {}", std::strerror(errno));
  auto watch =
      world_.poller->Add(prepare_.event_fd(), EPOLLIN, [this](uint32_t) { prepare_.Take(); });
  if (!watch.ok()) return watch.status();
  prepare_watch_ = *watch;
  auto keep = world_.poller->Add(keep_.event_fd(), EPOLLIN, [this](uint32_t) { keep_.Take(); });
  if (!keep.ok()) return keep.status();
  keep_watch_ = *keep;
  if (!cgroups_.available())
    spdlog::info("programs run without cgroups of their own: {}", cgroups_.why_not());
  return absl::OkStatus();
}

void ProgramDesk::Add(std::shared_ptr<const ProgramSpec> spec, int instance) {
  const std::string label = LabelOf(*spec, instance);
  const auto last_due = spec->schedule ? KeptDue(label) : std::nullopt;
  auto life = std::make_unique<ProgramLife>(std::move(spec), instance, SeedOf(world_.node, label),
                                            ProgramNow(), last_due);
  instances_[label] = std::make_unique<ProgramInstance>(&parts_, std::move(life));
}

void ProgramDesk::Begin(const std::vector<ProgramSpec>& specs, const FoundState* found) {
  if (found != nullptr) {
    std::map<std::string, std::shared_ptr<const ProgramSpec>> by_name;
    for (const ProgramSpec& spec : specs)
      by_name[spec.name] = std::make_shared<const ProgramSpec>(spec);
    for (const auto& [label, record] : found->programs) {
      // As it was started: what is different now is applied like a reload, below.
      auto old = std::make_shared<ProgramSpec>();
      if (const auto now = by_name.find(record.name()); now != by_name.end()) *old = *now->second;
      old->name = record.name();
      old->config = record.config();
      old->instances = std::max(1, record.config().instances());
      auto life =
          std::make_unique<ProgramLife>(old, record, SeedOf(world_.node, label), ProgramNow());
      auto instance = std::make_unique<ProgramInstance>(&parts_, std::move(life));
      instance->Adopt(record);
      instances_[label] = std::move(instance);
    }
  }
  const std::string changes = Reload(specs);
  // A node without programs leaves nothing behind, however it ends.
  if (instances_.empty() && cgroups_.available()) cgroups_.Remove();
  if (found != nullptr && !found->programs.empty())
    spdlog::info("took up {} programs; {}", found->programs.size(), changes);
}

std::string ProgramDesk::Reload(const std::vector<ProgramSpec>& specs) {
  v1::NodeConfig before;
  v1::NodeConfig after;
  std::set<std::string> names;
  for (const auto& [label, instance] : instances_) {
    if (instance->life().removed() || !names.insert(instance->life().spec().name).second) continue;
    *before.add_programs() = instance->life().spec().config;
  }
  std::map<std::string, std::shared_ptr<const ProgramSpec>> by_label;
  for (const ProgramSpec& spec : specs) {
    *after.add_programs() = spec.config;
    const auto shared = std::make_shared<const ProgramSpec>(spec);
    for (int i = 1; i <= spec.instances; ++i) by_label[LabelOf(spec, i)] = shared;
  }
  const ReloadPlan plan = PlanReload(before, after);
  const ProgramTime now = ProgramNow();
  for (auto& [label, instance] : instances_) {
    ProgramLife& life = instance->life();
    const auto wanted = by_label.find(label);
    if (wanted == by_label.end()) {
      life.Remove();
      continue;
    }
    std::vector<std::string> keys;
    const Change change = CompareProgram(life.spec().config, wanted->second->config, &keys);
    // Back again before it was gone: another life begins when this one has ended.
    const bool back = life.removed();
    if (back) life.ComeBack();
    life.SetSpec(wanted->second, change == Change::kRestart, now);
    if (change != Change::kNone) instance->ApplyLive();
  }
  for (const auto& [label, spec] : by_label) {
    if (!instances_.contains(label)) {
      const auto at = label.rfind('@');
      Add(spec, spec->instances == 1 ? 1 : std::stoi(label.substr(at + 1)));
    }
  }
  look_due_ = true;
  return Describe(plan);
}

void ProgramDesk::Take(const v1::ProgramOrder& order, const OrderRef& ref) {
  const auto found = instances_.find(order.program());
  const auto end = [&](v1::Verdict verdict, v1::Refusal refusal, std::string message) {
    v1::Event subject = found == instances_.end() ? v1::Event() : found->second->Subject();
    subject.set_program(Printable(order.program()));
    world_.enforcer->EndOrder(ref, std::move(subject), verdict, refusal, std::move(message));
  };
  if (found == instances_.end() || found->second->life().removed()) {
    return end(v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED,
               fmt::format("there is no program \"{}\" on this node", Printable(order.program())));
  }
  ProgramInstance& instance = *found->second;
  ProgramLife& life = instance.life();
  const bool stops =
      order.action() == v1::PROGRAM_ACTION_STOP || order.action() == v1::PROGRAM_ACTION_RESTART;
  if (stops && order.has_incarnation()) {
    const v1::Incarnation& wanted = order.incarnation();
    const v1::Incarnation& now = life.incarnation();
    if (!life.has_process() || wanted.generation() != now.generation() ||
        wanted.boot_id() != now.boot_id() || wanted.pid() != now.pid() ||
        wanted.start_ticks() != now.start_ticks()) {
      return end(v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED,
                 fmt::format("{} is in another life by now; nothing was done", life.label()));
    }
  }
  std::string follows;
  switch (order.action()) {
    case v1::PROGRAM_ACTION_START:
      follows = life.OrderStart(ProgramNow());
      break;
    case v1::PROGRAM_ACTION_STOP:
      follows = life.OrderStop(ref);
      break;
    case v1::PROGRAM_ACTION_RESTART:
      follows = life.OrderRestart(ProgramNow(), v1::CAUSE_OPERATOR, ref);
      break;
    case v1::PROGRAM_ACTION_RETRY:
      follows = life.OrderRetry(ProgramNow());
      break;
    default:
      return end(
          v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED,
          fmt::format("action {} is unknown to this node", static_cast<int>(order.action())));
  }
  v1::Event event = instance.Subject();
  event.set_kind(v1::EVENT_KIND_PROGRAM_ORDERED);
  event.set_severity(v1::SEVERITY_INFO);
  event.set_order_id(ref.id);
  event.set_issuer(ref.issuer);
  event.set_reason(ref.reason);
  event.set_message(std::move(follows));
  world_.log->Record(std::move(event));
  look_due_ = true;
}

int ProgramDesk::Starting() const {
  return static_cast<int>(
      std::count_if(instances_.begin(), instances_.end(),
                    [](const auto& entry) { return entry.second->starting(); }));
}

void ProgramDesk::Tend(MonoTime now) {
  if (instances_.empty()) return;
  if (sweeping_ || now >= tend_at_) {
    tend_at_ = now + kTendEvery;
    for (auto& [label, instance] : instances_) {
      instance->Tend(now);
      instance->Measure();
    }
  }
  for (auto it = preparing_.begin(); it != preparing_.end();) {
    if (now < it->second.until) {
      ++it;
      continue;
    }
    prepare_.GiveUp(it->second.ticket);
    if (const auto found = instances_.find(it->first); found != instances_.end()) {
      found->second->life().CouldNotStart(
          ProgramNow(),
          fmt::format("its program or environment files could not be read within {}",
                      FormatDuration(kPreparePatience)),
          parts_.random());
    }
    it = preparing_.erase(it);
  }
  if (now >= orphans_at_) {
    orphans_at_ = now + kOrphansEvery;
    SweepOrphans();
    oom_.Read();
  }
  if (look_due_ || now >= look_at_) Look();
}

void ProgramDesk::LookIfDue() {
  // Each look may make the next one due; whoever is started in one is not looked at twice.
  for (int i = 0; look_due_ && i < 3; ++i) Look();
}

void ProgramDesk::Look() {
  look_due_ = false;
  sweeping_ = false;
  look_at_ = MonoTime::max();
  Others others;
  for (const auto& [label, instance] : instances_) {
    const ProgramLife& life = instance->life();
    if (life.removed()) continue;
    Other& own = others[life.spec().name];
    own.ready = own.ready && life.ready();
    own.down = own.down || life.taken_down();
    if (!life.is_there()) continue;
    for (const std::string& name : life.spec().needs) {
      Other& needed = others[name];
      if (needed.needed_by.empty()) needed.needed_by = label;
      needed.needed_for = std::max(needed.needed_for, life.spec().grace + kNeedPatience);
    }
  }
  const ProgramTime now = ProgramNow();
  for (auto it = instances_.begin(); it != instances_.end();) {
    ProgramInstance& instance = *it->second;
    LookAt(instance, others);
    Publish(instance);
    if (!instance.gone()) {
      sweeping_ = sweeping_ || instance.sweeping();
      look_at_ = std::min(look_at_, instance.life().NextLook(now));
      ++it;
      continue;
    }
    const std::string label = it->first;
    v1::StateRecord record;
    record.set_program_gone(label);
    world_.journal->Put(std::move(record));
    if (world_.logger != nullptr) world_.logger->Detach(label);
    for (const char* ending : {".out", ".err", ".run"})
      (void)unlink((parts_.folder + "/" + label + ending).c_str());
    // Whoever came in meanwhile keeps it.
    if (cgroups_.available()) (void)cgroups_.Adopt(label).Remove();
    it = instances_.erase(it);
    world_.row_changed(label);
  }
}

void ProgramDesk::LookAt(ProgramInstance& instance, const Others& others) {
  ProgramLife& life = instance.life();
  if (stopping_) {
    life.HoldBack();
    if (life.has_process()) instance.Stop({ProgramLife::Do::kStop, v1::CAUSE_STOP, {}});
    return;
  }
  ProgramLife::Facts facts;
  facts.resident = instance.resident();
  const ProgramSpec& spec = life.spec();
  for (const auto* names : {&spec.after, &spec.needs}) {
    for (const std::string& name : *names) {
      if (const auto it = others.find(name);
          facts.waits_for.empty() && (it == others.end() || !it->second.ready))
        facts.waits_for = name;
    }
  }
  for (const std::string& name : spec.needs) {
    if (const auto it = others.find(name); it != others.end() && it->second.down) facts.lost = name;
  }
  if (const auto it = others.find(spec.name); it != others.end() && !life.removed()) {
    facts.needed_by = it->second.needed_by;
    facts.needed_for = it->second.needed_for;
  }
  const v1::ProgramState before = life.state();
  const ProgramLife::Step step = life.Look(ProgramNow(), facts, parts_.random());
  // Those that need it are to see that.
  if (life.state() != before) look_due_ = true;
  switch (step.what) {
    case ProgramLife::Do::kNothing:
      return;
    case ProgramLife::Do::kStop:
      instance.Stop(step);
      return;
    case ProgramLife::Do::kStart:
      Begin(instance);
      return;
  }
}

void ProgramDesk::Begin(ProgramInstance& instance) {
  const ProgramSpec& spec = instance.life().spec();
  if (preparing_.contains(instance.life().label()) || Starting() >= kMostStarting) return;
  if (spec.env_files.empty() && spec.argv[0].find('/') != std::string::npos) {
    instance.Start(spec.argv, {});
  } else {
    Prepare(instance);
  }
}

void ProgramDesk::Prepare(ProgramInstance& instance) {
  const std::string label = instance.life().label();
  const std::shared_ptr<const ProgramSpec> spec = instance.life().shared_spec();
  const DetachedWork::Ticket ticket = prepare_.Start([this, label, spec]() -> DetachedWork::Finish {
    return [this, label, spec, prepared = PrepareStart(*spec)] {
      preparing_.erase(label);
      look_due_ = true;
      const auto found = instances_.find(label);
      // Another configuration, or another will, since: it is looked at anew.
      if (found == instances_.end() || found->second->life().shared_spec() != spec ||
          !found->second->life().may_start() || stopping_) {
        return;
      }
      if (prepared.status.ok()) {
        found->second->Start(prepared.argv, prepared.env);
      } else {
        found->second->life().CouldNotStart(ProgramNow(), std::string(prepared.status.message()),
                                            parts_.random());
      }
    };
  });
  if (ticket != 0) preparing_[label] = {ticket, MonoNow() + kPreparePatience};
}

void ProgramDesk::Publish(ProgramInstance& instance) {
  instance.PutOnRecord();
  if (!instance.TakeRowMoved()) return;
  KeepDue(instance.life());
  world_.row_changed(instance.life().label());
}

std::optional<absl::Time> ProgramDesk::KeptDue(const std::string& label) const {
  const auto text = ReadFile(world_.state_dir + "/due/" + label);
  absl::Time due;
  std::string error;
  if (!text.ok() || !absl::ParseTime(absl::RFC3339_full, *text, &due, &error)) return std::nullopt;
  return due;
}

void ProgramDesk::KeepDue(const ProgramLife& life) {
  const std::optional<absl::Time> due = life.last_due();
  // Without it nothing is made up for, and nothing has to be remembered.
  if (!due || life.spec().schedule->catch_up <= Nanos(0)) return;
  absl::Time& kept = kept_due_[life.label()];
  if (kept == *due) return;
  kept = *due;
  const std::string folder = world_.state_dir + "/due";
  const std::string path = folder + "/" + life.label();
  const std::string text = absl::FormatTime(absl::RFC3339_full, *due, absl::UTCTimeZone());
  (void)keep_.Start([folder, path, text]() -> DetachedWork::Finish {
    absl::Status kept_well = EnsureFolder(folder, 0755);
    if (kept_well.ok()) kept_well = WriteDurably(path, text);
    return [path, kept_well] {
      if (!kept_well.ok()) {
        spdlog::error("{} cannot be written ({}): after a reboot a run may be made up for twice",
                      path, std::string(kept_well.message()));
      }
    };
  });
}

void ProgramDesk::OnEnding(const Process& process) {
  if (process.program.empty()) return;
  const auto found = instances_.find(process.program);
  if (found == instances_.end() || !found->second->IsMain(process.identity())) return;
  found->second->OnEnding(process);
  look_due_ = true;
}

// At once, before the next life can say a word.
void ProgramDesk::AskLastWords(LastWords words) {
  if (world_.logger == nullptr) return;
  const int64_t request = world_.logger->AskTail(words.label, true);
  if (request != 0) words_asked_[request] = std::move(words);
  // A logger that ended owes answers that never come.
  while (words_asked_.size() > kMostWordsAsked) words_asked_.erase(words_asked_.begin());
}

void ProgramDesk::OnTail(int64_t request, const std::string& bytes) {
  const auto found = words_asked_.find(request);
  if (found == words_asked_.end()) return;
  const LastWords words = std::move(found->second);
  words_asked_.erase(found);
  if (bytes.empty()) return;
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_PROGRAM_LAST_WORDS);
  event.set_severity(v1::SEVERITY_INFO);
  event.set_slot(words.label);
  event.set_program(words.label);
  event.set_run(words.run);
  event.set_kill(words.kill);
  event.mutable_death()->set_stderr_tail(EscapeLines(bytes));
  event.set_message(fmt::format("what {} wrote to its stderr last", words.label));
  world_.log->Record(std::move(event));
}

void ProgramDesk::SweepOrphans() {
  std::set<int32_t> known = world_.own_children();
  std::set<int32_t> sessions;
  for (const auto& [label, instance] : instances_) {
    if (const int32_t pid = instance->main_pid(); pid > 0) known.insert(pid);
    if (const int32_t session = instance->session(); session > 0) sessions.insert(session);
  }
  (void)ReapStrangers(known);
  // With cgroups each program's tree is known, whoever adopted it.
  if (cgroups_.available()) return;
  std::set<int32_t> still;
  for (const TreeMember& orphan : OrphansOfOurs(known)) {
    // In a session whose leader lives or is swept up after: it is ended with its program.
    const auto stat = ReadStat(orphan.pid);
    if (!stat || sessions.contains(stat->session)) continue;
    still.insert(orphan.pid);
    if (told_orphans_.contains(orphan.pid)) continue;
    if (std::any_of(instances_.begin(), instances_.end(),
                    [&](const auto& entry) { return entry.second->Knows(orphan.pid); })) {
      continue;
    }
    v1::Event event;
    event.set_kind(v1::EVENT_KIND_PROGRAM_LEFTOVERS);
    event.set_severity(v1::SEVERITY_WARNING);
    event.set_message(fmt::format(
        "{} (pid {}) outlived the program that started it and left its group: it is not stopped, "
        "because without cgroup v2 nobody can say whose it is ({})",
        Escape(orphan.comm), orphan.pid, cgroups_.why_not()));
    event.mutable_incarnation()->set_pid(orphan.pid);
    world_.log->Record(std::move(event));
  }
  told_orphans_ = std::move(still);
}

bool ProgramDesk::AllStopped() const {
  return std::none_of(instances_.begin(), instances_.end(), [](const auto& entry) {
    return entry.second->life().has_process() || entry.second->sweeping();
  });
}

void ProgramDesk::Leave() {
  for (auto& [label, instance] : instances_) instance->Leave();
  // Else a folder would stay behind for each runtime_dir that ever was.
  if (cgroups_.available() && AllStopped()) cgroups_.Remove();
}

std::optional<v1::Program> ProgramDesk::RowAfter(const std::string& label) const {
  const auto it = instances_.upper_bound(label);
  return it == instances_.end() ? std::nullopt : std::optional(it->second->Row());
}

std::optional<v1::Program> ProgramDesk::Row(const std::string& label) const {
  const auto it = instances_.find(label);
  return it == instances_.end() ? std::nullopt : std::optional(it->second->Row());
}

void ProgramDesk::Snapshot(std::vector<v1::StateRecord>* records) const {
  for (const auto& [label, instance] : instances_)
    *records->emplace_back().mutable_program() = instance->Record();
}

}  // namespace procctl::node
