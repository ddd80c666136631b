// The programs of this node: started, kept, stopped and started again as the configuration and
// operators want it.
//
// Thread: the loop's. Only what may wait for a disk (looking up a program, reading its environment
// files) is done elsewhere.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "node/guardian/detached_work.h"
#include "node/guardian/program_instance.h"
#include "node/guardian/state_keeper.h"
#include "procctl/v1/link.pb.h"

namespace procctl::node {

class ProgramDesk {
 public:
  struct World {
    Table* table = nullptr;
    Enforcer* enforcer = nullptr;
    EventLog* log = nullptr;
    Journal* journal = nullptr;
    Poller* poller = nullptr;
    LoggerChild* logger = nullptr;
    std::string node;
    std::string runtime_dir;
    std::string state_dir;
    Nanos min_timeout{};
    std::function<absl::Status(Process&)> watch_exit;
    // The row of this program changed, or is no more.
    std::function<void(const std::string& label)> row_changed;
    // Children of the guardian that others reap.
    std::function<std::set<int32_t>()> own_children;
  };

  explicit ProgramDesk(World world);
  ~ProgramDesk();

  // Makes its folder. Before anything else.
  absl::Status Open();
  // What the configuration says at the start. `found`: what an earlier guardian of this boot left;
  // its table has been taken up.
  void Begin(const std::vector<ProgramSpec>& specs, const FoundState* found);
  // What it says now. Returns what happens, for humans.
  std::string Reload(const std::vector<ProgramSpec>& specs);

  // An order whose shape and time were checked. Ends in exactly one event.
  void Take(const v1::ProgramOrder& order, const OrderRef& ref);

  // With each scan.
  void Tend(MonoTime now);
  // Nothing here needs more than one Tend a second, and one at next_look().
  bool AtRest() const { return !sweeping_ && preparing_.empty(); }
  MonoTime next_look() const { return look_at_; }
  // Looks at all programs if something happened since. At the end of each turn of the loop.
  void LookIfDue();

  // From Enforcer: the process has ended.
  void OnEnding(const Process& process);
  // What the logger answered to AskTail.
  void OnTail(int64_t request, const std::string& bytes);

  // Nothing is started any more, and everything is stopped; true once nothing runs.
  void StopAll() { stopping_ = true, look_due_ = true; }
  bool AllStopped() const;
  // The guardian ends, and programs that run go on. Nothing may be started afterwards.
  void Leave();

  // Rows, in the order of their labels.
  std::optional<v1::Program> RowAfter(const std::string& label) const;
  std::optional<v1::Program> Row(const std::string& label) const;
  void Snapshot(std::vector<v1::StateRecord>* records) const;
  bool empty() const { return instances_.empty(); }

 private:
  using Map = std::map<std::string, std::unique_ptr<ProgramInstance>>;

  void Add(std::shared_ptr<const ProgramSpec> spec, int instance);
  void Look();
  // What the rest of the world is to know of a program. It is ready when all its instances are.
  struct Other {
    bool ready = true;
    bool down = false;
    // An instance that needs it and is there; how long such a one may take to end.
    std::string needed_by;
    Nanos needed_for{0};
  };
  using Others = std::map<std::string, Other>;
  void LookAt(ProgramInstance& instance, const Others& others);
  void Begin(ProgramInstance& instance);
  // Looks up the program and reads its files, then starts it.
  void Prepare(ProgramInstance& instance);
  void Publish(ProgramInstance& instance);
  void SweepOrphans();
  struct LastWords {
    std::string label;
    std::string run;
    int64_t kill = 0;
  };
  void AskLastWords(LastWords words);
  int Starting() const;

  World world_;
  ProgramParts parts_;
  CgroupTree cgroups_;
  OomLog oom_;
  std::mt19937_64 randomness_;
  Map instances_;
  bool look_due_ = true;
  // When somebody is due by time alone, and whether what somebody left behind is being swept: a
  // scan in which nothing is due touches no program.
  MonoTime look_at_;
  bool sweeping_ = false;
  MonoTime tend_at_;
  bool stopping_ = false;
  MonoTime orphans_at_;
  std::set<int32_t> told_orphans_;

  DetachedWork prepare_;
  Poller::Token prepare_watch_ = 0;
  struct Preparing {
    DetachedWork::Ticket ticket = 0;
    MonoTime until;
  };
  std::map<std::string, Preparing> preparing_;

  // What a reboot must not forget: the due times that were dealt with, a file each. Written away
  // from the loop; on a disk that hangs they are late, and a run may be made up for twice.
  void KeepDue(const ProgramLife& life);
  std::optional<absl::Time> KeptDue(const std::string& label) const;
  DetachedWork keep_;
  Poller::Token keep_watch_ = 0;
  std::map<std::string, absl::Time> kept_due_;

  // Whose last words were asked for.
  std::map<int64_t, LastWords> words_asked_;
};

}  // namespace procctl::node
