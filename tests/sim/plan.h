// A plan: the settings of one guardian and a list of what happens to it and around it, each at its
// time. The list is all there is: no step needs another one to make sense, so a failing plan is
// shrunk by leaving steps out. Its text is one step a line and is what tests/sim/cases keeps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace procctl::sim {

// What each verb means and takes: kVerbs in plan.cc, README.md.
enum class Verb : uint8_t {
  kSpawn,
  kOpen,
  kBeat,
  kProgress,
  kFlags,
  kBusy,
  kScribble,
  kStop,
  kContinue,
  kSleep,
  kTrace,
  kFreeze,
  kSetUid,
  kExec,
  kExit,
  kDeny,
  kRecoverOnLook,
  kOrder,
  kHold,
  kRelease,
  kStall,
  kSuspend,
  kCrash,
  kEvidence,
};

// What a process does on SIGTERM.
enum OnTerm : int64_t { kDies = 0, kIgnores = 1, kClosesHearts = 2 };

// How an order differs from a good one.
enum OrderKind : int64_t {
  kGood = 0,
  kOtherGeneration = 1,
  kOtherStart = 2,
  kOtherBoot = 3,
  kNoIncarnation = 4,
  kBadGrace = 5,
  kOtherProcessSlot = 6,
};

// Where a crash strikes: at the nth time that the guardian does this.
enum CrashPoint : int64_t {
  kAtOnce = 0,
  kAtPut = 1,
  kBeforeCommit = 2,
  kAfterCommit = 3,
  kBeforeSignal = 4,
  kAfterSignal = 5,
  kAtEvent = 6,
  kAtAsk = 7,
};
inline constexpr int64_t kCrashPoints = 8;

// Hearts are called by these; the rules of the settings go by the name.
inline constexpr std::array<const char*, 5> kNames = {"main", "worker", "io", "watched",
                                                      "shadowed"};
inline constexpr int64_t kWatched = 3;
inline constexpr int64_t kShadowed = 4;
inline constexpr std::array<const char*, 4> kComms = {"app", "python3", "sshd", "precious"};

// The pid of the guardian's parent.
inline constexpr int32_t kOwnLine = 50;

inline constexpr size_t kMostArguments = 8;

struct Step {
  // Milliseconds since the beginning.
  int64_t at = 0;
  Verb verb = Verb::kSpawn;
  std::array<int64_t, kMostArguments> args{};
};

// Times in milliseconds.
struct Settings {
  int64_t interval = 100;
  int64_t enforce = 1;
  int64_t guardian_uid = 0;
  int64_t grace = 1000;
  int64_t shadow = 600;
  int64_t max_busy = 4000;
  int64_t burst = 3;
  int64_t per_minute = 20;
  int64_t common_cause = 1;
  int64_t pause = 15000;
  int64_t then_every = 6000;
  // Between the end of a process and the guardian's notice of it.
  int64_t exit_lag = 0;
  // The plan is over.
  int64_t length = 30000;
};

struct Plan {
  uint64_t seed = 0;
  Settings settings;
  // By time.
  std::vector<Step> steps;
};

std::string ToText(const Plan& plan);
// Nullopt, and *error says where, if it is not a plan.
std::optional<Plan> PlanFromText(std::string_view text, std::string* error);

}  // namespace procctl::sim
