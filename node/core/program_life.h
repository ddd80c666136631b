// The life of one instance of a program: decides when it is started, stopped and started again.
// Whoever owns it does that and reports back.
//
//   STOPPED, WAITING, BACKOFF, PARKED, SCHEDULED, DONE --Look: kStart--> Started() --> STARTING
//   STARTING --Ready()--> RUNNING --Look: kStop, or a kill--> Ended() --> STOPPING --TreeGone()-->
//   whatever its policy says.
//
// Nothing is started while anything of the life before is left: one instance is one life at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "node/core/kill.h"
#include "node/core/mono_time.h"
#include "node/core/program_spec.h"
#include "node/core/quiet_times.h"
#include "node/core/restart_rule.h"
#include "node/core/schedule.h"
#include "procctl/v1/guardian_state.pb.h"
#include "procctl/v1/program.pb.h"

namespace procctl::node {

// Both clocks of one instant.
struct ProgramTime {
  MonoTime mono;
  absl::Time wall;
};

// What the kernel and the kill under way say of an end.
struct ProgramEnd {
  // Of the kill under way, or what the kernel's word amounts to.
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  bool status_known = false;
  int exit_code = 0;
  int signal = 0;
  bool core_dumped = false;
  std::optional<Nanos> cpu;
  std::optional<int64_t> max_resident;
  int64_t oom_kills = 0;
};

// "exit code 3", "SIGSEGV", "an end that nobody saw".
std::string EndWords(const ProgramEnd& end);

class ProgramLife {
 public:
  // Something to put on record. `death` only with PROGRAM_ENDED and PROGRAM_START_FAILED.
  struct Notice {
    v1::EventKind kind = v1::EVENT_KIND_UNSPECIFIED;
    v1::Severity severity = v1::SEVERITY_INFO;
    std::string message;
    // Event::reason, where it is not that of a kill.
    std::string reason;
    std::optional<v1::Death> death;
  };

  enum class Do { kNothing, kStart, kStop };
  struct Step {
    Do what = Do::kNothing;
    // With kStop; `by` where a person ordered it.
    v1::Cause cause = v1::CAUSE_UNSPECIFIED;
    OrderRef by;
  };

  // What the owner knows of the rest of the world.
  struct Facts {
    // Everything it is started after is ready; otherwise the first that is not.
    std::string waits_for;
    // Something it needs is not to run, or is being stopped on order.
    std::string lost;
    // A program that needs it and is not gone yet, and how long such a one may take for that.
    std::string needed_by;
    Nanos needed_for{0};
    // Bytes the main process holds; 0: not known.
    int64_t resident = 0;
  };

  // `seed`: makes jitter; the same for one node and label. `last_due`: the last due time that was
  // dealt with in an earlier boot; absent: the schedule begins now.
  ProgramLife(std::shared_ptr<const ProgramSpec> spec, int instance, uint64_t seed, ProgramTime now,
              std::optional<absl::Time> last_due = std::nullopt);
  // Of an earlier guardian. Whether its process still lives is said by Ended(), or not.
  ProgramLife(std::shared_ptr<const ProgramSpec> spec, const v1::ProgramRecord& record,
              uint64_t seed, ProgramTime now);

  // What is to be done now. Call on every look, and after each report. `random` in [0, 1).
  Step Look(const ProgramTime& now, const Facts& facts, double random);

  // When Look may have something else to say, if nothing is reported before. A second from `now` at
  // the latest where that depends on what nobody reports: the wall clock, which may be set, and the
  // memory it holds. MonoTime::max(): it has nothing to wait for.
  MonoTime NextLook(const ProgramTime& now) const;

  // The name of the life that begins with the next start. After kStart only.
  std::string NextRun() const;
  // A process was made for NextRun(). `incarnation` is that of its slot.
  void Started(const ProgramTime& now, const v1::Incarnation& incarnation);
  // Another process of its tree is its main process from now on. `incarnation` is that of its slot.
  void MainChanged(const v1::Incarnation& incarnation);
  // Its process is the same, in another slot.
  void SlotChanged(const v1::Incarnation& incarnation);
  // What a person is to see in its row. Its state stays.
  void Remark(std::string message) { SetState(state_, std::move(message)); }
  const std::string& message() const { return message_; }
  // It passed its gate: from here on its run has taken place, whatever becomes of it.
  void Passed();
  // A guardian was killed before it let the process pass: nothing of the run has taken place, and
  // the same run is begun again.
  void NeverPassed(const ProgramTime& now);
  // No process could be made.
  void CouldNotStart(const ProgramTime& now, const std::string& why, double random);
  void Ready(const ProgramTime& now);
  // The main process is gone.
  void Ended(const ProgramTime& now, const ProgramEnd& end, const std::string& detail,
             double random);
  // So is all it left behind.
  void TreeGone(const ProgramTime& now);

  // Orders; each returns what follows from it, as a sentence.
  std::string OrderStart(const ProgramTime& now);
  std::string OrderStop(const OrderRef& by);
  std::string OrderRestart(const ProgramTime& now, v1::Cause cause, const OrderRef& by);
  std::string OrderRetry(const ProgramTime& now);
  // A reload took it out of the configuration, or asked for fewer instances.
  void Remove() { removed_ = true; }
  bool removed() const { return removed_; }
  // It is in the configuration again before it was gone.
  void ComeBack() { removed_ = false; }
  // What Look said last was kStart, and nothing has changed that.
  bool may_start() const {
    return start_now_ && !alive_ && !removed_ && state_ != v1::PROGRAM_STATE_STOPPING;
  }
  // The guardian ends and takes its programs with it: nothing is started any more. The next one
  // starts what is to run.
  void HoldBack() { held_back_ = true; }
  // What the configuration says now. `restart`: its process has to be another one.
  void SetSpec(std::shared_ptr<const ProgramSpec> spec, bool restart, const ProgramTime& now);

  const ProgramSpec& spec() const { return *spec_; }
  const std::shared_ptr<const ProgramSpec>& shared_spec() const { return spec_; }
  const std::string& label() const { return label_; }
  int instance() const { return instance_; }
  v1::ProgramState state() const { return state_; }
  bool has_process() const { return alive_; }
  // For whoever is started after it.
  bool ready() const;
  // For whoever needs it: it is down, or is going down, because somebody wants it so; also where
  // it is to come back.
  bool taken_down() const;
  // Something of a life of it is left.
  bool is_there() const { return alive_ || state_ == v1::PROGRAM_STATE_STOPPING; }
  const v1::Incarnation& incarnation() const { return incarnation_; }
  const std::string& run() const { return run_; }
  bool passed() const { return passed_; }

  // Of its schedule; nullopt: it has none.
  std::optional<absl::Time> last_due() const {
    return schedule_ ? std::optional(schedule_->state().last_due) : std::nullopt;
  }

  v1::Program Row(const ProgramTime& now) const;
  v1::ProgramRecord Record() const;
  std::vector<Notice> TakeNotices();
  // What it uses is shown anew.
  void RowMoved() { changed_ = true; }
  // Between two lives, and something of the last one still lives: TreeGone ends that.
  void Sweep();
  // Since the last call: its row, or what must be kept, has changed.
  bool TakeChanged();

 private:
  bool wanted() const;
  void SetState(v1::ProgramState state, std::string message);
  void BeginSchedule(const ProgramTime& now, const std::optional<ScheduleState>& state);
  Step LookIdle(const ProgramTime& now, const Facts& facts);
  Step LookRunning(const ProgramTime& now, const Facts& facts);
  bool StopsForOthers() const;
  bool HoldsStop(const ProgramTime& now, const Facts& facts);
  Schedule::Answer LookAtSchedule(const ProgramTime& now);
  void LookAtQuiet(const ProgramTime& now, double random);
  absl::Time AfterQuiet(absl::Time start) const;
  std::optional<absl::Time> NextStart(const ProgramTime& now) const;
  std::string RowMessage() const;
  Step Stop(v1::Cause cause, std::string message, const OrderRef& by = {});
  void Decide(const ProgramTime& now, const Ending& ending, double random);
  void WaitUntil(v1::ProgramState state, const ProgramTime& now, Nanos delay, std::string message);
  void Tell(v1::EventKind kind, v1::Severity severity, std::string message,
            std::optional<v1::Death> death = std::nullopt);
  v1::Death MakeDeath(const ProgramTime& now, const ProgramEnd& end) const;

  std::shared_ptr<const ProgramSpec> spec_;
  int instance_;
  std::string label_;
  uint64_t seed_;
  v1::ProgramState state_ = v1::PROGRAM_STATE_STOPPED;
  std::string message_;
  v1::ProgramRecord::Wanted ordered_ = v1::ProgramRecord::WANTED_UNSPECIFIED;
  bool removed_ = false;
  bool held_back_ = false;
  // Start as soon as nothing of the old life is left, whatever policy and schedule say.
  bool start_now_ = false;
  // Its process is to end, until it has; and since when that waits for those that need it.
  std::optional<Step> stop_;
  std::optional<MonoTime> stop_held_since_;
  // It has a main process.
  bool alive_ = false;
  bool passed_ = false;
  std::optional<Schedule> schedule_;
  QuietNow quiet_;
  // What it said at the last look.
  std::optional<absl::Time> quiet_until_;
  // It is older than max_age and waits for the end of the quiet time.
  bool old_in_quiet_ = false;
  // The due time whose run is to be started, or was and has not passed its gate.
  std::optional<absl::Time> due_;
  RestartState restarts_of_late_;
  // What follows when the tree is gone.
  v1::ProgramState after_ = v1::PROGRAM_STATE_STOPPED;
  std::string after_message_;
  std::optional<MonoTime> next_start_;
  std::optional<absl::Time> next_start_wall_;
  v1::Incarnation incarnation_;
  std::string run_;
  int64_t next_run_ = 1;
  std::optional<ProgramTime> started_;
  std::optional<MonoTime> max_age_ends_;
  int64_t starts_ = 0;
  int64_t restarts_ = 0;
  bool next_is_restart_ = false;
  std::optional<v1::Death> last_death_;
  std::vector<Notice> notices_;
  bool changed_ = true;
};

}  // namespace procctl::node
