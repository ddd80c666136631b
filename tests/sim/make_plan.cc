#include "tests/sim/make_plan.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "node/heartbeat/include/procctl/heartbeat.h"
#include "tests/sim/random.h"

namespace procctl::sim {
namespace {

constexpr int64_t kFirstPid = 101;
constexpr int64_t kPids = 8;

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed * 2 + 1) { plan_.seed = seed; }

  Plan Make();

 private:
  int64_t Pick(std::initializer_list<int64_t> values) {
    return values.begin()[random_.Below(static_cast<int64_t>(values.size()))];
  }
  bool Chance(int64_t percent) { return random_.Chance(percent); }
  void Add(int64_t at, Verb verb, std::initializer_list<int64_t> args);
  int64_t Time() { return random_.Between(500, plan_.settings.length - 1500); }
  int64_t Later(int64_t at) { return at + Pick({50, 300, 900, 2500, 6000}); }
  int64_t Pid() { return kFirstPid + random_.Below(pids_); }
  int64_t Name() { return random_.Below(static_cast<int64_t>(kNames.size())); }
  int64_t NearName() { return Chance(60) ? 0 : Name(); }

  void MakeSettings();
  void Process(int64_t pid, int64_t at);
  void Heart(int64_t pid, int64_t name, int64_t at);
  void Misfortune();
  void OfProcess(int64_t at);
  void OfHeart(int64_t at);
  void OfGuardian(int64_t at);
  void OfOperator(int64_t at);
  void HangAll(int64_t at);

  Random random_;
  Plan plan_;
  int64_t pids_ = kPids;
  bool stormy_ = false;
};

void Maker::Add(int64_t at, Verb verb, std::initializer_list<int64_t> args) {
  Step step{.at = at, .verb = verb};
  std::copy(args.begin(), args.end(), step.args.begin());
  plan_.steps.push_back(step);
}

void Maker::MakeSettings() {
  Settings& s = plan_.settings;
  s.enforce = Chance(95) ? 1 : 0;
  s.guardian_uid = Chance(92) ? 0 : 1000;
  s.grace = Pick({0, 300, 1000, 1000, 2000});
  s.burst = Pick({1, 2, 3, 10});
  s.per_minute = Pick({6, 20, 60});
  s.common_cause = Chance(70) ? 1 : 0;
  s.pause = Pick({4000, 8000});
  s.then_every = Pick({3000, 6000});
  s.max_busy = Pick({1000, 4000});
  s.exit_lag = Chance(80) ? 0 : Pick({150, 300});
  s.length = Chance(6) ? 100000 : random_.Between(8000, 26000);
}

void Maker::Heart(int64_t pid, int64_t name, int64_t at) {
  const int64_t timeout = Pick({600, 1000, 1000, 1700, 2500});
  const int64_t every = Chance(4)    ? -1
                        : Chance(60) ? timeout / 5
                        : Chance(60) ? timeout * 2 / 5
                                     : timeout * 9 / 10;
  const int64_t progress = Chance(20) ? Pick({800, 2000}) : 0;
  const int64_t grace = Chance(15) ? Pick({700, 3000}) : 0;
  const bool classic = Chance(12);
  Add(at, Verb::kOpen,
      {pid, name, timeout, every, progress, progress == 0 ? 0 : progress / 4, grace, classic});
  if (grace != 0 && Chance(15)) Add(at, Verb::kRecoverOnLook, {pid, Pick({1, 2, 2})});
  if (grace != 0 && Chance(75)) {
    Add(at + Pick({100, 500, 2000, 5000}), Verb::kFlags, {pid, name, PROCCTL_PAGE_READY, 0});
  }
}

void Maker::Process(int64_t pid, int64_t at) {
  const int64_t on_term = Chance(65) ? kDies : Chance(60) ? kIgnores : kClosesHearts;
  const int64_t comm = Chance(94) ? random_.Below(2) : 2 + random_.Below(2);
  Add(at, Verb::kSpawn,
      {pid, Pick({1000, 1000, 1000, 0, 1001}), comm, on_term, Pick({0, 100, 700, 1500}), Chance(8),
       Chance(4), Chance(2)});
  const int64_t hearts = Chance(65) ? 1 : random_.Between(2, 4);
  for (int64_t i = 0; i < hearts; ++i) Heart(pid, i == 0 ? 0 : Name(), at + 10 + i);
}

void Maker::HangAll(int64_t at) {
  for (int64_t pid = kFirstPid; pid < kFirstPid + pids_; ++pid) {
    if (Chance(20)) continue;
    Add(at + random_.Below(800), Verb::kBeat, {pid, 0, 0});
    if (Chance(40)) Add(at + random_.Between(2000, 9000), Verb::kBeat, {pid, 0, 200});
  }
}

void Maker::OfHeart(int64_t at) {
  const int64_t pid = Pid();
  const int64_t name = NearName();
  switch (random_.Below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      Add(at, Verb::kBeat, {pid, name, 0});
      if (Chance(35)) Add(Later(at + 600), Verb::kBeat, {pid, name, 150});
      return;
    case 4:
      Add(at, Verb::kBeat, {pid, name, Pick({100, 450, 900, 1900})});
      return;
    case 5:
      Add(at, Verb::kProgress, {pid, name, 0});
      if (Chance(40)) Add(at, Verb::kRecoverOnLook, {pid, Pick({1, 2, 2})});
      return;
    case 6:
      Add(at, Verb::kFlags,
          {pid, name,
           Pick(
               {PROCCTL_PAGE_FAILED, PROCCTL_PAGE_FAILED, PROCCTL_PAGE_CLOSED, PROCCTL_PAGE_READY}),
           0});
      if (Chance(20)) Add(Later(at), Verb::kFlags, {pid, name, 0, PROCCTL_PAGE_FAILED});
      if (Chance(20)) Add(at, Verb::kRecoverOnLook, {pid, Pick({1, 2, 2})});
      return;
    case 7:
      Add(at, Verb::kBusy,
          {pid, name, Pick({200, 1500, 3000, std::numeric_limits<int64_t>::max()}),
           Pick({500, 2000, 5000})});
      return;
    default: {
      const int64_t field = random_.Below(6);
      const int64_t value = Chance(40) ? random_.Below(16) : static_cast<int64_t>(random_.Next());
      Add(at, Verb::kScribble, {pid, name, field, value});
    }
  }
}

void Maker::OfProcess(int64_t at) {
  const int64_t pid = Pid();
  switch (random_.Below(12)) {
    case 0:
      Add(at, Verb::kStop, {pid});
      if (Chance(50)) Add(Later(at), Verb::kContinue, {pid});
      return;
    case 1:
      Add(at, Verb::kSleep, {pid, Pick({300, 3000, 15000, 80000})});
      return;
    case 2:
      Add(at, Verb::kTrace, {pid, 77});
      if (Chance(70)) Add(Later(at), Verb::kTrace, {pid, 0});
      return;
    case 3:
      Add(at, Verb::kFreeze, {pid, 1});
      if (Chance(70)) Add(Later(at), Verb::kFreeze, {pid, 0});
      return;
    case 4:
      Add(at, Verb::kSetUid, {pid, Pick({0, 1000, 1001})});
      return;
    case 5:
      Add(at, Verb::kExec, {pid, random_.Below(Chance(70) ? 2 : 4)});
      if (Chance(70)) Heart(pid, 0, at + Pick({20, 400, 1500}));
      return;
    case 6:
      Add(at, Verb::kExit, {pid, Pick({0, 50, 3000})});
      if (Chance(50)) Process(pid, at + Pick({0, 60, 500}));
      return;
    case 7:
    case 8:
      Process(pid, at);
      return;
    case 9:
      Add(at, Verb::kDeny, {pid, 1});
      if (Chance(70)) Add(Later(at), Verb::kDeny, {pid, 0});
      return;
    case 10:
      Add(at, Verb::kBeat, {pid, 0, 0});
      Add(at + random_.Between(0, 2500), Verb::kRecoverOnLook, {pid, Pick({1, 2, 2, 3})});
      return;
    default:
      Heart(pid, Name(), at);
  }
}

void Maker::OfGuardian(int64_t at) {
  switch (random_.Below(stormy_ ? 10 : 6)) {
    case 0:
    case 1:
      Add(at, Verb::kStall, {Pick({150, 250, 400, 700, 2000, 7000, 30000})});
      return;
    case 2:
      Add(at, Verb::kSuspend, {Pick({15, 200, 5000, 600000})});
      return;
    case 3:
      Add(at, Verb::kEvidence, {Pick({0, 30, 110, 200})});
      return;
    default: {
      const int64_t point = random_.Below(kCrashPoints);
      Add(at, Verb::kCrash,
          {point, random_.Between(1, 6), Pick({10, 200, 1500, 6000}), Chance(80), Chance(85)});
      if (Chance(25)) {
        Add(at + 300, Verb::kCrash,
            {1 + random_.Below(kCrashPoints - 1), random_.Between(1, 4), 100, 1, 1});
      }
    }
  }
}

void Maker::OfOperator(int64_t at) {
  const int64_t pid = Pid();
  const int64_t name = NearName();
  switch (random_.Below(8)) {
    case 0:
    case 1:
      Add(at, Verb::kHold, {at, pid, name, Pick({500, 2000, 8000})});
      return;
    case 2:
      Add(at, Verb::kRelease, {at, pid, name});
      return;
    default: {
      const int64_t kind = Chance(65) ? int64_t{kGood} : random_.Between(1, 6);
      const int64_t ttl = Chance(85) ? 30000 : Pick({0, 100, 1000});
      Add(at, Verb::kOrder,
          {random_.Below(12), pid, name, kind, Pick({-1, -1, 0, 400, 3000}), ttl});
    }
  }
}

void Maker::Misfortune() {
  const int64_t at = Time();
  const int64_t kind = random_.Below(100);
  if (kind < 40) {
    OfHeart(at);
  } else if (kind < 65) {
    OfProcess(at);
  } else if (kind < 80) {
    OfGuardian(at);
  } else if (kind < 97) {
    OfOperator(at);
  } else {
    HangAll(at);
  }
}

Plan Maker::Make() {
  MakeSettings();
  stormy_ = Chance(40);
  pids_ = Chance(60) ? random_.Between(2, 5) : kPids;
  for (int64_t pid = kFirstPid; pid < kFirstPid + pids_; ++pid) Process(pid, random_.Below(1500));
  if (Chance(3)) {
    const int64_t pid = Chance(50) ? 1 : int64_t{kOwnLine};
    Process(pid, 100);
    Add(2000, Verb::kBeat, {pid, 0, 0});
    if (Chance(50)) Add(4000, Verb::kOrder, {20, pid, 0, kGood, 0, 30000});
  }
  const int64_t misfortunes = random_.Between(8, 30);
  for (int64_t i = 0; i < misfortunes; ++i) Misfortune();
  std::stable_sort(plan_.steps.begin(), plan_.steps.end(),
                   [](const Step& a, const Step& b) { return a.at < b.at; });
  return std::move(plan_);
}

}  // namespace

Plan MakePlan(uint64_t seed) { return Maker(seed).Make(); }

}  // namespace procctl::sim
