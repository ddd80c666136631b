#include "tests/sim/world.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "proto/support/time_convert.h"
#include "tests/sim/guardian.h"
#include "tests/sim/host.h"
#include "tests/sim/oracle.h"
#include "tests/sim/seams.h"
#include "tests/sim/take_up.h"

namespace procctl::sim {
namespace {

// What waits in a socket for the guardian to read it.
struct Letter {
  Step step;
  // Who registers, or whom it is about.
  Proc* proc = nullptr;
  int64_t generation = 0;
  v1::LinkOrder order;
  bool good = false;
};

struct Page {
  std::shared_ptr<procctl_page> real;
  std::shared_ptr<procctl_page> shown;
};

// Not one that is judged: what an order names that names nobody.
constexpr int64_t kNobody = 1;

class World {
 public:
  World(const Plan& plan, std::FILE* told)
      : plan_(plan),
        oracle_(&host_, plan.settings),
        seams_(&host_, &oracle_, told),
        start_(host_.now()) {}

  Outcome Run();

 private:
  bool good() const { return oracle_.violation().empty(); }
  Nanos interval() const { return Ms(plan_.settings.interval); }
  Nanos NextTime() const;
  void Turn();
  void Scan();
  void Begin();
  void Crash();
  void Settle();

  void Apply(const Step& step);
  void ApplyToProc(const Step& step, Proc& proc);
  void ApplyToHeart(const Step& step, Beater& heart);
  void Spawn(const Step& step);
  void WriteOrder(const Step& step);
  void Read(Letter& letter);
  void Open(const Letter& letter);
  void Deliver(Letter& letter);
  void Hold(const Letter& letter);

  const Plan& plan_;
  Host host_;
  Oracle oracle_;
  Seams seams_;
  Board board_;
  Nanos start_;
  std::unique_ptr<Guardian> guardian_;
  Nanos next_scan_{};
  // The guardian does not run before this.
  Nanos blocked_{};
  Nanos restarts_{};
  Nanos down_ = Ms(200);
  bool board_lost_ = false;
  bool pages_lost_ = false;
  int64_t epoch_ = 0;
  std::vector<Letter> inbox_;
  // Orders that were handed over, for an uplink that asks again.
  std::map<std::string, Letter> sent_;
  std::map<int64_t, Letter> written_;
  std::map<uint64_t, Page> pages_;
  // Of the classic table.
  std::map<int32_t, Page> rows_;
  Outcome outcome_;
};

Outcome World::Run() {
  Begin();
  size_t next_step = 0;
  const Nanos end = start_ + Ms(plan_.settings.length);
  while (good()) {
    Nanos next = NextTime();
    if (next_step < plan_.steps.size())
      next = std::min(next, start_ + Ms(plan_.steps[next_step].at));
    next = std::max(next, host_.now());
    if (next > end) break;
    host_.Advance(next);
    for (; next_step < plan_.steps.size() && start_ + Ms(plan_.steps[next_step].at) <= next;
         ++next_step)
      Apply(plan_.steps[next_step]);
    Turn();
  }
  Settle();
  outcome_.violation = oracle_.violation();
  return outcome_;
}

Nanos World::NextTime() const {
  if (guardian_ == nullptr) return restarts_;
  Nanos next = next_scan_;
  for (const Seams::Answer& answer : const_cast<Seams&>(seams_).answers())
    next = std::min(next, answer.at);
  return std::max(next, blocked_);
}

// Everybody ends, and the guardian has the time to notice.
void World::Settle() {
  seams_.trap().Disarm();
  for (const auto& proc : host_.all()) {
    if (proc->alive) host_.Die(*proc, Nanos(0));
  }
  for (int i = 0; i < 20 && good(); ++i) {
    host_.Advance(std::max(NextTime(), host_.now()));
    Turn();
  }
  if (good()) oracle_.Finish(guardian_->table());
}

void World::Begin() {
  seams_.LifeBegins(++epoch_);
  oracle_.LifeBegins();
  if (board_lost_) board_ = Board();
  guardian_ = std::make_unique<Guardian>(&host_, &seams_, &board_, plan_.settings, epoch_);
  next_scan_ = host_.now() + interval();
  try {
    TakeUpWorld world;
    world.find = [this](const node::ProcessIdentity& identity) -> std::unique_ptr<node::Target> {
      Proc* found = host_.At(identity.pid);
      if (found == nullptr || !found->alive || found->identity != identity) return nullptr;
      return std::make_unique<Handle>(&host_, &seams_, found);
    };
    world.reopen = [this](const v1::SlotRecord& record) -> std::shared_ptr<const procctl_page> {
      if (pages_lost_ && record.generation() % 2 != 0) return nullptr;
      const Page& page = record.row() >= 0 ? rows_[record.row()] : pages_[record.page_inode()];
      *page.shown = *page.real;
      return page.shown;
    };
    world.bound = [this](node::Process& process) {
      const Proc& proc = static_cast<const Handle&>(*process.target).proc();
      process.canary = proc.canary;
      oracle_.Bound(proc, process.uid);
    };
    TakeUp(Replay(seams_.frames()), world, &guardian_->table(), &guardian_->enforcer(),
           &guardian_->ledger(), &seams_, &seams_);
    seams_.Commit();
  } catch (const GuardianKilled&) {
    Crash();
    return;
  }
  oracle_.TakenUp(guardian_->table(), !board_lost_, [this](const node::Slot& slot) {
    return std::shared_ptr<const procctl_page>(slot.row >= 0 ? rows_[slot.row].real
                                                             : pages_[slot.page_key.inode].real);
  });
  board_lost_ = pages_lost_ = false;
  // The uplink asks again for what has no answer yet.
  for (const auto& [id, letter] : sent_) {
    if (oracle_.OrderAnswered(id)) continue;
    Letter again = letter;
    again.order.set_from_earlier_guardian(true);
    inbox_.push_back(std::move(again));
  }
}

void World::Crash() {
  ++outcome_.crashes;
  guardian_.reset();
  oracle_.Crashed();
  restarts_ = host_.now() + down_;
  blocked_ = Nanos(0);
}

void World::Turn() {
  if (guardian_ == nullptr) {
    if (host_.now() >= restarts_) Begin();
    return;
  }
  if (host_.now() < blocked_) return;
  try {
    while (!inbox_.empty() && good()) {
      Letter letter = std::move(inbox_.front());
      inbox_.erase(inbox_.begin());
      Read(letter);
    }
    guardian_->ReapExits();
    for (size_t i = 0; i < seams_.answers().size();) {
      if (seams_.answers()[i].at > host_.now()) {
        ++i;
        continue;
      }
      Seams::Answer answer = std::move(seams_.answers()[i]);
      seams_.answers().erase(seams_.answers().begin() + static_cast<std::ptrdiff_t>(i));
      guardian_->enforcer().OnEvidence(answer.kill, std::move(answer.evidence));
    }
    if (host_.now() >= next_scan_) Scan();
    seams_.Commit();
  } catch (const GuardianKilled&) {
    Crash();
    return;
  }
  oracle_.TurnEnds(guardian_->table());
  if (!seams_.Spool()) oracle_.NumbersBroken();
}

void World::Scan() {
  ++outcome_.scans;
  next_scan_ = host_.now() + interval();
  guardian_->CopyRows();
  oracle_.ScanBegins();
  guardian_->enforcer().Scan();
  oracle_.ScanEnds();
}

// ------------------------------------------------------------------ steps

void World::Apply(const Step& step) {
  const auto& a = step.args;
  switch (step.verb) {
    case Verb::kSpawn:
      Spawn(step);
      return;
    case Verb::kOrder:
      WriteOrder(step);
      return;
    case Verb::kStall:
      if (guardian_ != nullptr) blocked_ = std::max(blocked_, host_.now() + Ms(a[0]));
      return;
    case Verb::kSuspend:
      host_.Suspend(Ms(a[0]));
      return;
    case Verb::kCrash:
      if (a[2] > 0) down_ = Ms(a[2]);
      board_lost_ |= a[3] == 0;
      pages_lost_ |= a[4] == 0;
      if (a[0] != kAtOnce) {
        seams_.trap().Arm(static_cast<CrashPoint>(a[0]), a[1]);
      } else if (guardian_ != nullptr) {
        Crash();
      }
      return;
    case Verb::kEvidence:
      seams_.SetEvidenceDelay(Ms(std::clamp<int64_t>(a[0], 0, 200)));
      return;
    case Verb::kHold:
    case Verb::kRelease: {
      Proc* proc = host_.At(static_cast<int32_t>(a[1]));
      const Beater* heart = proc == nullptr ? nullptr : proc->heart(a[2]);
      if (heart != nullptr) inbox_.push_back({step, proc, heart->generation, {}, false});
      return;
    }
    default:
      if (Proc* proc = host_.At(static_cast<int32_t>(a[0])); proc != nullptr && proc->alive)
        ApplyToProc(step, *proc);
  }
}

void World::Spawn(const Step& step) {
  const auto& a = step.args;
  Proc& proc = host_.Spawn(static_cast<int32_t>(a[0]));
  proc.uid = a[1];
  proc.comm = kComms[static_cast<size_t>(a[2]) % kComms.size()];
  proc.on_term = static_cast<OnTerm>(a[3]);
  proc.term_delay = Ms(a[4]);
  proc.naked = a[5] != 0;
  proc.canary = a[6] != 0;
  proc.kernel_thread = a[7] != 0;
}

void World::ApplyToProc(const Step& step, Proc& proc) {
  const auto& a = step.args;
  switch (step.verb) {
    case Verb::kOpen:
      // Who finds no guardian goes unguarded.
      if (guardian_ != nullptr) inbox_.push_back({step, &proc, 0, {}, false});
      return;
    case Verb::kStop:
      proc.stopped = true;
      return;
    case Verb::kContinue:
      proc.stopped = false;
      break;
    case Verb::kSleep:
      proc.wakes = host_.now() + Ms(a[1]);
      return;
    case Verb::kTrace:
      proc.tracer = static_cast<int32_t>(a[1]);
      break;
    case Verb::kFreeze:
      proc.frozen = a[1] != 0;
      break;
    case Verb::kSetUid:
      proc.uid = a[1];
      return;
    case Verb::kExec:
      proc.comm = kComms[static_cast<size_t>(a[1]) % kComms.size()];
      // Rows of the classic table stay as they are.
      for (Beater& heart : proc.hearts) *heart.shown = *heart.page;
      proc.hearts.clear();
      return;
    case Verb::kExit:
      host_.Die(proc, Ms(a[1]));
      return;
    case Verb::kDeny:
      proc.denied = a[1] != 0;
      return;
    case Verb::kRecoverOnLook:
      proc.recover_on_look = std::max<int64_t>(a[1], 1);
      return;
    default:
      if (Beater* heart = proc.heart(a[1])) ApplyToHeart(step, *heart);
      return;
  }
  host_.Resumed(proc);
}

void World::ApplyToHeart(const Step& step, Beater& heart) {
  const auto& a = step.args;
  procctl_page& page = *heart.page;
  switch (step.verb) {
    case Verb::kBeat:
      heart.every = Ms(a[2]);
      heart.next_beat = host_.now() + heart.every;
      return;
    case Verb::kProgress:
      heart.progress_every = Ms(a[2]);
      heart.next_progress = host_.now() + heart.progress_every;
      return;
    case Verb::kFlags:
      page.flags = (page.flags | static_cast<uint32_t>(a[2])) & ~static_cast<uint32_t>(a[3]);
      return;
    case Verb::kBusy:
      page.busy_ms = static_cast<uint64_t>(a[2]);
      ++page.busy_count;
      page.flags |= PROCCTL_PAGE_BUSY;
      heart.busy_until = host_.now() + Ms(a[3]);
      return;
    case Verb::kScribble: {
      const auto value = static_cast<uint64_t>(a[3]);
      switch (a[2]) {
        case 0:
          page.beats = value;
          return;
        case 1:
          page.progress = value;
          return;
        case 2:
          page.flags = static_cast<uint32_t>(value);
          return;
        case 3:
          page.busy_ms = value;
          return;
        case 4:
          page.busy_count = value;
          return;
        default:
          std::fill(std::begin(page.note), std::end(page.note), static_cast<char>(value));
          std::fill(std::begin(page.phase), std::end(page.phase), static_cast<char>(value >> 8));
          page.version = static_cast<uint32_t>(value);
          page.magic = value;
          return;
      }
    }
    default:
      return;
  }
}

void World::WriteOrder(const Step& step) {
  const auto& a = step.args;
  Letter letter{step, host_.At(static_cast<int32_t>(a[1])), 0, {}, false};
  v1::Order* order = letter.order.mutable_order();
  order->set_order_id("order-" + std::to_string(a[0]));
  order->set_issuer("operator/one");
  order->set_reason("simulated");
  v1::Incarnation* wanted = order->mutable_incarnation();
  wanted->set_boot_id(kBootId);
  wanted->set_pid(static_cast<int32_t>(a[1]));
  wanted->set_start_ticks(kNobody);
  wanted->set_generation(kNobody);
  const Beater* heart = letter.proc == nullptr ? nullptr : letter.proc->heart(a[2]);
  letter.good = heart != nullptr;
  if (heart != nullptr) {
    wanted->set_start_ticks(letter.proc->identity.start_ticks);
    wanted->set_generation(letter.generation = heart->generation);
  }
  switch (a[3]) {
    case kOtherGeneration:
      wanted->set_generation(wanted->generation() + 1000);
      break;
    case kOtherStart:
      wanted->set_start_ticks(wanted->start_ticks() - 1);
      break;
    case kOtherBoot:
      wanted->set_boot_id("another boot");
      break;
    case kNoIncarnation:
      order->clear_incarnation();
      break;
    case kBadGrace:
      break;
    case kOtherProcessSlot:
      for (const auto& other : host_.all()) {
        if (other.get() != letter.proc && other->alive && !other->hearts.empty())
          wanted->set_generation(other->hearts.front().generation);
      }
      break;
    default:
      break;
  }
  letter.good &=
      a[3] == kGood || (a[3] == kOtherProcessSlot && wanted->generation() == letter.generation);
  if (a[3] == kBadGrace) {
    *order->mutable_grace() = ToProto(-Ms(1));
  } else if (a[4] >= 0) {
    *order->mutable_grace() = ToProto(Ms(a[4]));
  }
  *order->mutable_time_to_live() = ToProto(Ms(a[5]));
  *letter.order.mutable_expires_at() = ToProto(host_.Clock().since_boot() + Ms(a[5]));
  // A repeat says what was said the first time.
  inbox_.push_back(written_.try_emplace(a[0], std::move(letter)).first->second);
}

void World::Read(Letter& letter) {
  if (letter.step.verb == Verb::kOpen) {
    Open(letter);
  } else if (letter.step.verb == Verb::kOrder) {
    Deliver(letter);
  } else {
    Hold(letter);
  }
}

void World::Open(const Letter& letter) {
  const auto& a = letter.step.args;
  Proc& proc = *letter.proc;
  if (!proc.alive) return;
  const bool classic = a[7] != 0;
  // A row of the classic table is taken up once.
  if (const Beater* old = proc.heart(a[1]);
      old != nullptr && (classic || old->classic()) && oracle_.IsGuarded(proc, old->generation))
    return;
  Beater heart;
  heart.name = a[1];
  heart.page = std::make_shared<procctl_page>();
  heart.shown = classic ? std::make_shared<procctl_page>() : heart.page;
  node::Table::NewSlot what;
  what.name = kNames[static_cast<size_t>(a[1]) % kNames.size()];
  what.door = classic ? v1::DOOR_CLASSIC : v1::DOOR_NATIVE;
  what.terms = {Ms(a[2]), Ms(a[4]), Ms(a[6])};
  what.page = heart.shown;
  if (classic) {
    what.row = static_cast<int32_t>(rows_.size());
    rows_[what.row] = {heart.page, heart.shown};
  } else {
    what.page_key = {1, pages_.size() + 1};
    pages_[what.page_key.inode] = {heart.page, heart.shown};
  }
  const node::Slot* slot = guardian_->Register(proc, std::move(what));
  if (slot == nullptr) return;
  heart.generation = slot->generation;
  oracle_.Registered(*slot, proc, heart);
  // Below zero: never takes its page up.
  if (a[3] >= 0) {
    heart.page->beats = 1;
    heart.every = Ms(a[3]);
    heart.next_beat = host_.now() + heart.every;
    heart.progress_every = Ms(a[5]);
    heart.next_progress = host_.now() + heart.progress_every;
  }
  std::erase_if(proc.hearts, [&](const Beater& other) { return other.name == heart.name; });
  proc.hearts.push_back(std::move(heart));
}

void World::Deliver(Letter& letter) {
  GivenOrder given;
  given.id = letter.order.order().order_id();
  given.target = letter.good ? letter.proc : nullptr;
  given.generation = letter.generation;
  given.grace = letter.step.args[4] >= 0 ? Ms(letter.step.args[4]) : Ms(plan_.settings.grace);
  given.resent = letter.order.from_earlier_guardian();
  given.expired = letter.step.args[5] <= 0 ||
                  host_.Clock().since_boot() >= FromProto(letter.order.expires_at());
  oracle_.OrderGiven(given);
  sent_.try_emplace(given.id, letter);
  guardian_->TakeOrder(letter.order);
  oracle_.OrderDone(given.id);
}

void World::Hold(const Letter& letter) {
  if (!oracle_.IsGuarded(*letter.proc, letter.generation)) return;
  node::Slot* slot = guardian_->table().FindSlot(letter.generation);
  if (slot == nullptr) return;
  const node::OrderRef ref{"hold-" + std::to_string(letter.step.args[0]), "operator/one",
                           "looking"};
  if (letter.step.verb == Verb::kRelease) {
    oracle_.HoldReleased(letter.generation);
    guardian_->enforcer().ReleaseHold(*slot, ref);
    oracle_.ReleaseDone(*letter.proc);
    return;
  }
  const Nanos length = Ms(letter.step.args[3]);
  oracle_.HoldPlaced(letter.generation, host_.Clock().since_boot() + length);
  guardian_->enforcer().PlaceHold(*slot, ref, length,
                                  std::chrono::system_clock::time_point(host_.now()));
}

}  // namespace

Outcome RunPlan(const Plan& plan, std::FILE* told) { return World(plan, told).Run(); }

}  // namespace procctl::sim
