#include "tests/sim/plan.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <sstream>

namespace procctl::sim {
namespace {

struct VerbWords {
  Verb verb;
  const char* name;
  std::array<const char*, kMostArguments> args;
};

constexpr VerbWords kVerbs[] = {
    {Verb::kSpawn,
     "spawn",
     {"pid", "uid", "comm", "on_term", "delay", "naked", "canary", "kernel"}},
    {Verb::kOpen,
     "open",
     {"pid", "name", "timeout", "every", "progress_limit", "progress_every", "start_grace",
      "classic"}},
    {Verb::kBeat, "beat", {"pid", "name", "every"}},
    {Verb::kProgress, "progress", {"pid", "name", "every"}},
    {Verb::kFlags, "flags", {"pid", "name", "set", "clear"}},
    {Verb::kBusy, "busy", {"pid", "name", "ask", "work"}},
    {Verb::kScribble, "scribble", {"pid", "name", "field", "value"}},
    {Verb::kStop, "stop", {"pid"}},
    {Verb::kContinue, "continue", {"pid"}},
    {Verb::kSleep, "sleep", {"pid", "for"}},
    {Verb::kTrace, "trace", {"pid", "by"}},
    {Verb::kFreeze, "freeze", {"pid", "on"}},
    {Verb::kSetUid, "setuid", {"pid", "uid"}},
    {Verb::kExec, "exec", {"pid", "comm"}},
    {Verb::kExit, "exit", {"pid", "zombie"}},
    {Verb::kDeny, "deny", {"pid", "on"}},
    {Verb::kRecoverOnLook, "recover_on_look", {"pid", "nth"}},
    {Verb::kOrder, "order", {"id", "pid", "name", "kind", "grace", "ttl"}},
    {Verb::kHold, "hold", {"id", "pid", "name", "for"}},
    {Verb::kRelease, "release", {"id", "pid", "name"}},
    {Verb::kStall, "stall", {"for"}},
    {Verb::kSuspend, "suspend", {"for"}},
    {Verb::kCrash, "crash", {"point", "nth", "down", "board", "pages"}},
    {Verb::kEvidence, "evidence", {"after"}},
};

struct SettingWords {
  const char* name;
  int64_t Settings::*field;
};

constexpr SettingWords kSettings[] = {
    {"interval", &Settings::interval},
    {"enforce", &Settings::enforce},
    {"guardian_uid", &Settings::guardian_uid},
    {"grace", &Settings::grace},
    {"shadow", &Settings::shadow},
    {"max_busy", &Settings::max_busy},
    {"burst", &Settings::burst},
    {"per_minute", &Settings::per_minute},
    {"common_cause", &Settings::common_cause},
    {"pause", &Settings::pause},
    {"then_every", &Settings::then_every},
    {"exit_lag", &Settings::exit_lag},
    {"length", &Settings::length},
};

std::optional<int64_t> Number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "key=value" words up to the end of the line. False at the first that is not one, or that `take`
// does not know.
template <typename Take>
bool EachPair(std::istringstream& line, Take take) {
  std::string word;
  while (line >> word) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) return false;
    const auto value = Number(std::string_view(word).substr(equals + 1));
    if (!value || !take(std::string_view(word).substr(0, equals), *value)) return false;
  }
  return true;
}

bool ReadSetting(std::string_view key, int64_t value, Settings* settings) {
  const auto* found = std::find_if(std::begin(kSettings), std::end(kSettings),
                                   [&](const SettingWords& words) { return key == words.name; });
  if (found == std::end(kSettings)) return false;
  settings->*found->field = value;
  return true;
}

bool ReadStep(const std::string& at, std::istringstream& line, Plan* plan) {
  const auto time = Number(at);
  std::string name;
  if (!time || !(line >> name)) return false;
  const auto* words = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                   [&](const VerbWords& v) { return name == v.name; });
  if (words == std::end(kVerbs)) return false;
  Step step{.at = *time, .verb = words->verb};
  const bool whole = EachPair(line, [&](std::string_view key, int64_t value) {
    for (size_t i = 0; i < kMostArguments && words->args[i] != nullptr; ++i) {
      if (key != words->args[i]) continue;
      step.args[i] = value;
      return true;
    }
    return false;
  });
  if (whole) plan->steps.push_back(step);
  return whole;
}

}  // namespace

std::string ToText(const Plan& plan) {
  std::ostringstream out;
  out << "seed " << plan.seed << "\nsettings";
  for (const SettingWords& words : kSettings)
    out << ' ' << words.name << '=' << plan.settings.*words.field;
  out << '\n';
  for (const Step& step : plan.steps) {
    const VerbWords& words = kVerbs[static_cast<size_t>(step.verb)];
    out << step.at << ' ' << words.name;
    for (size_t i = 0; i < kMostArguments && words.args[i] != nullptr; ++i)
      out << ' ' << words.args[i] << '=' << step.args[i];
    out << '\n';
  }
  return out.str();
}

std::optional<Plan> PlanFromText(std::string_view text, std::string* error) {
  Plan plan;
  std::istringstream lines{std::string(text)};
  std::string text_line;
  for (int number = 1; std::getline(lines, text_line); ++number) {
    std::istringstream line(text_line);
    std::string first;
    if (!(line >> first) || first.starts_with('#')) continue;
    bool good = false;
    if (first == "seed") {
      good = static_cast<bool>(line >> plan.seed);
    } else if (first == "settings") {
      good = EachPair(line, [&](std::string_view key, int64_t value) {
        return ReadSetting(key, value, &plan.settings);
      });
    } else {
      good = ReadStep(first, line, &plan);
    }
    if (!good) {
      *error = "line " + std::to_string(number) + " is no step: " + text_line;
      return std::nullopt;
    }
  }
  std::stable_sort(plan.steps.begin(), plan.steps.end(),
                   [](const Step& a, const Step& b) { return a.at < b.at; });
  return plan;
}

}  // namespace procctl::sim
