// One instance of a program, as the kernel has it: its process, its slot, its notifications, its
// tree. What is to be done is decided by node/core/program_life; here it is done, and reported
// back.
//
// Thread: the loop's.
#pragma once

#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/core/enforcer.h"
#include "node/core/program_life.h"
#include "node/core/table.h"
#include "node/guardian/event_log.h"
#include "node/guardian/logger_child.h"
#include "node/notify/message.h"
#include "node/notify/receiver.h"
#include "node/os/end_status.h"
#include "node/os/known_tree.h"
#include "node/os/oom_log.h"
#include "node/os/poller.h"
#include "node/os/program_cgroup.h"
#include "node/os/program_start.h"
#include "node/os/usage.h"

namespace procctl::node {

class ProgramInstance;

// What instances work with; all outlives them.
struct ProgramParts {
  Table* table = nullptr;
  Enforcer* enforcer = nullptr;
  EventLog* log = nullptr;
  Journal* journal = nullptr;
  Poller* poller = nullptr;
  // nullptr: output is dropped.
  LoggerChild* logger = nullptr;
  CgroupTree* cgroups = nullptr;
  OomLog* oom = nullptr;
  // Below the runtime folder, in memory: FIFOs, sockets, marks.
  std::string folder;
  std::string heartbeat_socket;
  Nanos min_timeout{};
  std::function<absl::Status(Process&)> watch_exit;
  // Something happened after which everybody is to be looked at again, soon.
  std::function<void()> look_soon;
  std::function<double()> random;
  // Main process of another instance, known to be of its tree, or a helper of the guardian.
  std::function<bool(const ProgramInstance& asking, int32_t pid)> is_of_others;
  // This life has ended: what it wrote last is to be put on record.
  std::function<void(const std::string& label, const std::string& run, int64_t kill)>
      ask_last_words;
};

// The clocks of this instant.
ProgramTime ProgramNow();

class ProgramInstance {
 public:
  ProgramInstance(const ProgramParts* parts, std::unique_ptr<ProgramLife> life);
  ~ProgramInstance();
  ProgramInstance(const ProgramInstance&) = delete;
  ProgramInstance& operator=(const ProgramInstance&) = delete;

  ProgramLife& life() { return *life_; }
  const ProgramLife& life() const { return *life_; }

  // Makes its process and lets it go on to exec. `argv` and `env_files`: what was read and looked
  // up for it, off the loop.
  void Start(const std::vector<std::string>& argv, const std::vector<std::string>& env_files);
  // Its process was made, and whether it came to run is not known yet.
  bool starting() const { return held_.has_value(); }
  // Asks its process to end, if it is not being stopped already.
  void Stop(const ProgramLife::Step& step);

  // Of a guardian that takes up the state of another, whose table has been taken up. Whether its
  // process lives may not be known at once (no descriptors): it is asked again each second, and
  // nothing is started meanwhile.
  void Adopt(const v1::ProgramRecord& record);

  bool IsMain(const ProcessIdentity& identity) const {
    return life_->has_process() && last_ == identity;
  }
  // It belongs to its tree, as far as that is known without a cgroup.
  bool Knows(int32_t pid) const { return tree_.Knows(pid); }
  // The main process has ended; its kill and its slots are still in the table.
  void OnEnding(const Process& process);
  // What is due with time: what it left behind, an end that is told late.
  void Tend(MonoTime now);
  // Reads what it holds, where that is limited. About once a second.
  void Measure();
  int64_t resident() const { return resident_; }

  // Logger and limits follow what the configuration says now.
  void ApplyLive();
  // Nothing of it is left: it may be forgotten.
  bool gone() const;
  bool sweeping() const { return sweeping_ || late_.has_value(); }
  // 0: none that we have to reap.
  int32_t main_pid() const { return life_->has_process() || held_ || late_ ? last_.pid : 0; }
  // The session of its processes, while they are its own to end; 0: there are none.
  int32_t session() const { return life_->has_process() || sweeping() ? last_.pid : 0; }
  // Its sockets and marks stay for the next guardian.
  void Leave();

  // Records what there is to tell, and puts what must be kept into the journal right beside it:
  // whoever takes over finds both or neither.
  void PutOnRecord();
  // Since the last call: its row has changed.
  bool TakeRowMoved() { return std::exchange(row_moved_, false); }

  v1::Program Row() const;
  v1::ProgramRecord Record() const;
  v1::Event Subject() const;

 private:
  absl::Status MakeProcess(const std::vector<std::string>& argv,
                           const std::vector<std::string>& env_files);
  std::vector<std::string> Environment(const std::vector<std::string>& env_files) const;
  absl::Status MakeCgroup();
  absl::Status OpenNotify();
  void AttachOutput();
  int64_t Uid() const { return life_->spec().user ? life_->spec().user->uid : geteuid(); }
  HeartTerms FirstTerms() const;
  // Its main process in the table, its end watched; `run` is its life.
  absl::StatusOr<Process*> AddProcess(const std::string& run);
  // `row` is its main process from now on: all hearts of it say so.
  void Own(Process* row, const std::string& run);
  // Forgets `row` if that fails and nothing else holds it.
  absl::StatusOr<Slot*> AddSlot(Process* row, HeartTerms terms);
  // For the process that was made just now.
  absl::Status TakeSlot();
  Slot* slot() const;
  void OnOutcome();
  void Passed();
  void OnNotify();
  bool MaySpeak(const ucred& sender) const;
  void Heed(const notify::Message& message, const ucred& sender);
  // MAINPID.
  void Claim(int32_t pid, const ucred& sender);
  void FollowClaim(MonoTime now);
  // Why not; empty: it belongs to the program, proven by the kernel.
  std::string WhyNotMain(const ProcessRef& process, const ucred& sender);
  // Not OK: not now, as without descriptors.
  absl::Status ChangeMain(ProcessRef process);
  void TakeUpMain();
  void TakenUp(Slot& own);
  void HearAgain();
  void Complain(bool* said, const std::string& what);
  void Finish(const EndStatus& end, v1::Cause cause);
  // Nothing of its tree lives; false also where that cannot be told.
  bool TreeEmpty(MonoTime now);
  // False: it could not be done.
  bool LookAtTree(MonoTime now);
  void TellUnproven();
  void SignalTree(int signal);
  std::string NamesOfTree() const;
  void TellLeftovers(v1::Severity severity, const std::string& what);
  bool MarkSaysPassed() const;
  std::string path(const char* ending) const {
    return parts_->folder + "/" + life_->label() + ending;
  }

  const ProgramParts* parts_;
  std::unique_ptr<ProgramLife> life_;
  std::optional<HeldProgram> held_;
  Poller::Token outcome_watch_ = 0;
  std::string start_error_;
  v1::Event last_kill_;
  // A handle of its own: the table's goes with its row.
  std::optional<ProcessRef> process_;
  // Whom events are about: the process that runs, or the last one, also where no handle to it could
  // be had any more.
  ProcessIdentity last_;
  bool row_moved_ = false;
  std::shared_ptr<procctl_page> page_;
  notify::Receiver notify_;
  Poller::Token notify_watch_ = 0;
  bool notify_ready_ = false;
  bool said_stranger_ = false;
  bool said_garbage_ = false;
  bool said_main_ = false;
  bool said_longer_ = false;
  std::optional<ProgramCgroup> cgroup_;
  int64_t oom_kills_before_ = 0;
  // Without a cgroup: who belongs to it beside the process group of the process that was started.
  KnownTree tree_;
  MonoTime look_at_tree_;
  // Taken up from an earlier guardian.
  bool adopted_ = false;
  // Its main process, of an earlier guardian, is to be held yet.
  struct TakingUp {
    std::string notify_socket;
    // Of its row: when all was well, and what stands there instead.
    std::string message;
    std::string instead;
  };
  std::optional<TakingUp> taking_up_;
  // Where it speaks, and cannot be heard yet. It is not judged meanwhile.
  std::optional<std::string> deaf_;
  // It said that this is its main process, and that could not be dealt with yet.
  struct MainClaim {
    int32_t pid = 0;
    ucred sender{};
    MonoTime until;
  };
  std::optional<MainClaim> claim_;
  MonoTime next_claim_;
  // Inside OnEnding: the table's row of the process that ended must stay.
  bool ending_ = false;

  // After its end.
  struct Late {
    v1::Cause kill_cause = v1::CAUSE_UNSPECIFIED;
    MonoTime until;
  };
  // Its parent has not reaped it yet: how it ended may still be told.
  std::optional<Late> late_;
  bool sweeping_ = false;
  bool swept_hard_ = false;
  bool told_unkillable_ = false;
  MonoTime kill_tree_at_;

  int64_t resident_ = 0;
};

}  // namespace procctl::node
