// What keeps programs in a guardian, with real processes of the test's own and without the rest. It
// can be killed, and the next one takes up what it left.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/core/enforcer.h"
#include "node/guardian/event_log.h"
#include "node/guardian/program_instance.h"
#include "node/guardian/state_keeper.h"
#include "node/guardian/take_up.h"
#include "node/os/clock.h"
#include "node/os/end_status.h"
#include "node/os/proc_file.h"

namespace procctl::node {

// Nothing that needs a new descriptor works as long as this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest = dup(2);
    close(lowest);
    const rlimit tight{static_cast<rlim_t>(lowest), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

// What outlives a guardian: the folder in memory, the hearts' numbers. And the children of the
// test, which end with it.
class Host {
 public:
  static constexpr size_t kCells = 16;

  Host() : cells(kCells), histories(kCells) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    char name[] = "/dev/shm/procctl-parts-XXXXXX";
    folder = mkdtemp(name);
  }
  ~Host() {
    // Whoever loses its parent by this comes to us.
    for (std::vector<int32_t> children = OwnChildren(); !children.empty();
         children = OwnChildren()) {
      for (const int32_t pid : children) (void)kill(pid, SIGKILL);
      for (const int32_t pid : children) (void)waitpid(pid, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  std::string folder;
  std::vector<HeartCell> cells;
  std::vector<HeartHistory> histories;
};

class GuardianParts : public EvidenceSource {
 public:
  explicit GuardianParts(Host* host, size_t cells = Host::kCells)
      : poller_(*Poller::Create()),
        keeper_(host->folder + "/journal", "boot", "n1"),
        log_("n1", "boot", 7, &keeper_),
        table_("boot", SlotRuleBook(), std::span(host->cells).first(cells),
               std::span(host->histories).first(cells), &keeper_),
        enforcer_(
            &table_,
            {.clocks = &clocks_,
             .events = &log_,
             .journal = &keeper_,
             .evidence = this,
             .refresh = {},
             .ending =
                 [this](const Process& process) {
                   const auto found = instances_.find(process.program);
                   if (found != instances_.end() && found->second->IsMain(process.identity())) {
                     found->second->OnEnding(process);
                   }
                 }},
            EnforcerSettings(), 1),
        cgroups_(CgroupTree::OpenAt({.folder = "", .why_not = "the test has none"}, "test")),
        oom_(OomLog::Open()),
        take_up_({.table = &table_,
                  .enforcer = &enforcer_,
                  .log = &log_,
                  .classic = nullptr,
                  .watch_exit = [this](Process& p) { return WatchExit(p); }}) {
    std::filesystem::create_directory(host->folder + "/programs");
    parts_ = {.table = &table_,
              .enforcer = &enforcer_,
              .log = &log_,
              .journal = &keeper_,
              .poller = &poller_,
              .logger = nullptr,
              .cgroups = &cgroups_,
              .oom = &oom_,
              .folder = host->folder + "/programs",
              .heartbeat_socket = host->folder + "/heartbeat.sock",
              .min_timeout = std::chrono::milliseconds(500),
              .watch_exit = [this](Process& p) { return WatchExit(p); },
              .look_soon = [] {},
              .random = [] { return 0.5; },
              .is_of_others =
                  [this](const ProgramInstance& asking, int32_t pid) {
                    for (const auto& [label, other] : instances_) {
                      if (other.get() != &asking && other->main_pid() == pid) return true;
                    }
                    return false;
                  },
              .ask_last_words = [](const std::string&, const std::string&, int64_t) {}};
    table_.Listen({.changed = [](const Slot&) {},
                   .removed = [](const Slot&) {},
                   .forgotten = [this](Process& process) { poller_.Remove(process.exit_watch); }});
    keeper_.SetSnapshot([this] { return Snapshot(); });
  }
  // As if by kill -9: what is on its way to the journal is lost, and nothing is cleaned up.
  ~GuardianParts() override {
    for (auto& [label, instance] : instances_) instance->Leave();
  }
  GuardianParts(const GuardianParts&) = delete;
  GuardianParts& operator=(const GuardianParts&) = delete;

  // Begins without anything that was there before, or takes it up with the same programs.
  void Begin(const std::vector<std::shared_ptr<const ProgramSpec>>& specs) {
    if (!keeper_.found()) {
      keeper_.Rewrite();
      for (const auto& spec : specs) {
        instances_[spec->name] = std::make_unique<ProgramInstance>(
            &parts_, std::make_unique<ProgramLife>(spec, 1, 1, ProgramNow()));
      }
      return;
    }
    const FoundState& found = *keeper_.found();
    log_.NumberFrom(found.last_seq);
    table_.NumberFrom(found.last_generation + 1);
    enforcer_.NumberFrom(found.last_kill + 1);
    take_up_.Take(found, {});
    for (const auto& spec : specs) {
      const v1::ProgramRecord& record = found.programs.at(spec->name);
      auto instance = std::make_unique<ProgramInstance>(
          &parts_, std::make_unique<ProgramLife>(spec, record, 1, ProgramNow()));
      instance->Adopt(record);
      instances_[spec->name] = std::move(instance);
    }
    keeper_.ForgetFound();
    keeper_.Rewrite();
  }

  // One turn of the loop.
  void Turn() {
    poller_.Wait(20);
    take_up_.Tend(MonoNow());
    enforcer_.Scan();
    std::set<int32_t> known;
    for (auto& [label, instance] : instances_) known.insert(instance->main_pid());
    (void)ReapStrangers(known);
    for (auto& [label, instance] : instances_) {
      instance->Tend(MonoNow());
      const ProgramLife::Step step = instance->life().Look(ProgramNow(), {}, 0.5);
      if (step.what == ProgramLife::Do::kStart) {
        instance->Start(instance->life().spec().argv, {});
      } else if (step.what == ProgramLife::Do::kStop) {
        instance->Stop(step);
      }
      instance->PutOnRecord();
    }
    keeper_.Tidy();
  }
  // Turns until it holds; false after a minute.
  bool Until(const std::function<bool()>& condition) {
    const MonoTime end = MonoNow() + std::chrono::minutes(1);
    while (!condition()) {
      if (MonoNow() > end) return false;
      Turn();
    }
    return true;
  }

  ProgramInstance& instance(const std::string& label = "web") { return *instances_.at(label); }
  v1::ProgramState state(const std::string& label = "web") {
    return instance(label).life().state();
  }
  bool UntilRunning(const std::string& label = "web") {
    return Until([&] { return state(label) == v1::PROGRAM_STATE_RUNNING; });
  }
  Table& table() { return table_; }
  const TakeUp& take_up() const { return take_up_; }
  Slot* slot(const std::string& label = "web") {
    return table_.FindSlot(instance(label).life().incarnation().generation());
  }
  std::vector<v1::Event> Events(v1::EventKind kind) const {
    std::vector<v1::Event> events;
    for (const v1::Event& event : log_.ring().events()) {
      if (event.kind() == kind) events.push_back(event);
    }
    return events;
  }

  void Ask(int64_t kill, EvidenceSubject subject) override {
    enforcer_.OnEvidence(kill, std::move(subject.known));
  }

 private:
  absl::Status WatchExit(Process& process) {
    const ProcessIdentity identity = process.identity();
    auto token = poller_.Add(process.target->exit_fd(), EPOLLIN, [this, identity](uint32_t) {
      if (Process* p = table_.Find(identity)) enforcer_.OnExit(*p);
    });
    if (!token.ok()) return token.status();
    process.exit_watch = *token;
    return absl::OkStatus();
  }

  std::vector<v1::StateRecord> Snapshot() const {
    std::vector<v1::StateRecord> records;
    v1::StateHead* head = records.emplace_back().mutable_head();
    head->set_version(StateKeeper::kVersion);
    head->set_boot_id("boot");
    head->set_node("n1");
    for (const auto& [generation, slot] : table_.slots())
      *records.emplace_back().mutable_slot() = table_.RecordOf(*slot);
    for (const auto& [label, instance] : instances_)
      *records.emplace_back().mutable_program() = instance->Record();
    take_up_.Snapshot(&records);
    return records;
  }

  Poller poller_;
  StateKeeper keeper_;
  KernelClocks clocks_;
  EventLog log_;
  Table table_;
  Enforcer enforcer_;
  CgroupTree cgroups_;
  OomLog oom_;
  TakeUp take_up_;
  ProgramParts parts_;
  std::map<std::string, std::unique_ptr<ProgramInstance>> instances_;
};

inline std::shared_ptr<ProgramSpec> MakeSpec(std::vector<std::string> argv) {
  auto spec = std::make_shared<ProgramSpec>();
  spec->name = "web";
  spec->argv = std::move(argv);
  spec->backoff.first = std::chrono::milliseconds(1);
  return spec;
}

}  // namespace procctl::node
