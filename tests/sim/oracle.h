// Keeps its own books of what really happened, and says where the guardian broke its word. Shares
// no judgement with node/core: what a heart's silence is, who may be signalled and what a brake
// must do are worked out here once more, from the documents.
//
// The invariants, as messages name them:
//   I1  a signal reaches only whom it may: the incarnation, never who is protected, traced, held
//   ... I2  nobody healthy is signalled; nothing is judged while the guardian itself was late I3
//   who hangs is stopped in time, and never before its grace is over (I4: whoever else is stuck) I5
//   what is kept stays bounded I6  one SIGTERM per process, SIGKILL only after it I7  what the
//   events say is what was; every kill and order ends in exactly one verdict I8  the brakes hold
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "node/core/table.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/guardian_state.pb.h"
#include "tests/sim/host.h"
#include "tests/sim/plan.h"

namespace procctl::sim {

// An order as the world handed it to the guardian.
struct GivenOrder {
  std::string id;
  // Whom it names, where that is one who may be stopped by it; else nullptr.
  Proc* target = nullptr;
  int64_t generation = 0;
  Nanos grace{};
  bool expired = false;
  bool resent = false;
};

class Oracle {
 public:
  Oracle(const Host* host, const Settings& settings);

  // Empty as long as all is well: the first thing that was wrong.
  const std::string& violation() const { return violation_; }

  // --- what the world does
  void Bound(const Proc& proc, int64_t uid);
  void Forgotten(const Proc& proc);
  void Registered(const node::Slot& slot, const Proc& proc, const Beater& heart);
  // A new registration under the slot's name, in the middle of which the guardian was killed.
  void Torn(const node::Slot& slot);
  void HoldPlaced(int64_t generation, Nanos ends);
  void HoldReleased(int64_t generation);
  // By an order, after the guardian took it.
  void ReleaseDone(const Proc& proc);
  // Before and after the guardian takes it.
  void OrderGiven(const GivenOrder& order);
  void OrderDone(const std::string& id);
  // True if that order has its last verdict, safely.
  bool OrderAnswered(const std::string& id) const;
  // Valid for the guardian: its process lives, the slot is in the table, and so on.
  bool IsGuarded(const Proc& proc, int64_t generation) const;

  // --- what the guardian does
  void Put(const v1::StateRecord& record);
  void Recorded(const v1::Event& event);
  void Committed();
  // Before it is delivered.
  void Signalled(const Proc& proc, const node::ProcessIdentity& meant, int signal);
  void ScanBegins();
  // The first thing that a scan does after it has seen a gap: it reads the pages.
  void Looked();
  void ScanEnds();
  void TurnEnds(const node::Table& table);
  void LifeBegins();
  using PageOf = std::function<std::shared_ptr<const procctl_page>(const node::Slot&)>;
  // `page_of`: where the heart of a slot really beats.
  void TakenUp(const node::Table& table, bool board_kept, const PageOf& page_of);
  void Crashed();
  // The numbers of the events have a gap.
  void NumbersBroken() { Fail("I7 the numbers of the events are not contiguous"); }
  // Everybody is dead, and the guardian has seen it.
  void Finish(const node::Table& table);

 private:
  enum class Mode { kPlain, kStarting, kBusy };

  struct Heart {
    const Proc* proc = nullptr;
    std::shared_ptr<const procctl_page> page;
    Nanos timeout{};
    Nanos progress_limit{};
    Nanos start_grace{};
    bool observe = false;
    Nanos shadow{};
    // As last looked at.
    uint64_t beats = 0;
    uint64_t progress = 0;
    uint64_t busy_seen = 0;
    uint32_t flags = 0;
    Nanos silence{};
    Nanos progress_silence{};
    Nanos gap_ended{};
    Mode mode = Mode::kPlain;
    Nanos busy_limit{};
    bool closed = false;
    bool gone = false;
    bool torn = false;
    // The shadow timeout has been told of in this silence.
    bool shadow_told = false;
    std::optional<Nanos> hold_ends;
    std::optional<Nanos> safe_hold_ends;

    Nanos limit() const {
      return mode == Mode::kPlain ? timeout : mode == Mode::kBusy ? busy_limit : start_grace;
    }
  };

  struct Victim {
    int64_t registered_uid = 0;
    bool guarded = false;
    // Signals that reached it, and those that a guardian was killed over.
    int terms = 0;
    int kills = 0;
    bool term_counted = false;
    bool kill_counted = false;
    bool continue_due = false;
    // The journal says that a signal is about to be sent.
    bool intent = false;
    Nanos term_at{};
    Nanos term_observed{};
    Nanos kill_at{};
    Nanos grace{};
    // Time judged since the ladder's last move.
    Nanos waited{};
    bool unkillable = false;
    bool safe_unkillable = false;
    // Its kill, 0: none.
    int64_t kill = 0;
    v1::HeldBy held_by = v1::HELD_BY_UNSPECIFIED;
    // Obliged: hangs, and nothing stands in the way.
    Nanos obliged{};
    Nanos withheld{};
    uint64_t dues = 0;
    uint32_t reasons = 0;
    // Judged since something last forbade to signal it.
    Nanos free{};
    bool ever_withheld = false;
    int term_events = 0;
    int kill_events = 0;

    bool termed() const { return terms > 0 || term_counted; }
    bool killed() const { return kills > 0 || kill_counted; }
  };

  struct KillBook {
    const Proc* proc = nullptr;
    int64_t generation = 0;
    v1::Symptom symptom = v1::SYMPTOM_UNSPECIFIED;
    bool hung = false;
    bool ordered = false;
    bool evidence = false;
    bool safe_evidence = false;
    Nanos late_before{};
    int verdicts = 0;
    int unkillables = 0;
  };

  struct OrderBook {
    GivenOrder given;
    bool valid = false;
    // As recorded, and as safe.
    bool answered = false;
    bool told_unkillable = false;
    int verdicts = 0;
    int unkillables = 0;
  };

  struct Pause {
    bool on = false;
    Nanos began{};
    Nanos last_kill{};
    // When that one hung.
    Nanos late_before{};
  };

  // The first one counts.
  template <typename... Parts>
  void Fail(const Parts&... parts) {
    if (!violation_.empty()) return;
    std::ostringstream out;
    out << "at "
        << std::chrono::duration<double>(host_->now() - Nanos(std::chrono::seconds(1000))).count()
        << "s: ";
    (out << ... << parts);
    violation_ = out.str();
  }
  Victim& VictimOf(const Proc& proc) { return victims_[proc.id]; }
  const Heart* HeartOf(int64_t generation) const;
  Nanos since_boot() const { return host_->now() + host_->suspended(); }
  // The one who is found where the guardian thinks that `proc` is.
  bool Misbound(const Proc& proc) const;

  void Restart(Heart& heart);
  void Look(Heart& heart);
  v1::Symptom DueFor(const Heart& heart) const;
  bool StillDue(const Heart& heart) const;
  bool IsSilent(const Heart& heart) const;
  // Bits 1 << HeldBy of what forbids to signal it, brakes and rules by name apart.
  uint32_t Reasons(const Proc& proc) const;
  bool Together(bool any_window) const;

  void CheckTerm(const Proc& proc, Victim& victim);
  void CheckKill(const Proc& proc, Victim& victim);
  void CheckBrakes(const Proc& proc, const Victim& victim);
  void CheckVictim(const Proc& proc, Victim& victim);
  void CheckLadder(const Proc& proc, Victim& victim, bool free);
  void CheckHung(const v1::Event& event);
  void CheckHeld(const v1::Event& event);
  void CheckVerdict(const v1::Event& event);
  void CheckOrderVerdict(const v1::Event& event);
  void CheckBrakeEvent(const v1::Event& event);
  const Proc* ProcOf(const v1::Event& event) const;

  const Host* host_;
  const Settings settings_;
  std::string violation_;
  bool ever_crashed_ = false;

  std::map<int64_t, Heart> hearts_;
  std::map<size_t, Victim> victims_;
  std::map<int64_t, KillBook> kills_;
  std::map<std::string, OrderBook> orders_;
  // Kills that began with a HUNG event that is safe.
  std::set<int64_t> hung_;
  std::vector<v1::Event> unsafe_events_;
  size_t puts_ = 0;
  bool holds_changed_ = false;

  // The scan.
  Nanos last_scan_{};
  Nanos last_suspended_{};
  Nanos elapsed_{};
  Nanos credit_{};
  bool gap_ = false;
  bool gap_told_ = false;
  int calm_needed_ = 0;
  bool may_judge_ = false;
  bool looked_ = true;
  // All that was ever credited, and all in which nobody looked.
  Nanos observed_{};
  Nanos late_{};

  // The brakes.
  double tokens_;
  Nanos tokens_at_{};
  // What was late before the first of the kills since the bucket was last full.
  Nanos late_when_full_{};
  // As before the first of those that gave a grant back since.
  Nanos late_when_given_back_{};
  Pause pause_;
  Pause safe_pause_;
  // As the guardian's events have it.
  bool core_pause_ = false;
  bool safe_core_pause_ = false;
  bool bucket_waits_ = false;
  bool pause_waits_ = false;
  Nanos bucket_idle_{};
  Nanos pause_idle_{};
};

}  // namespace procctl::sim
