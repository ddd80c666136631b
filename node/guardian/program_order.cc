#include "node/guardian/program_order.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/support/nearest_name.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// One waits for the other.
struct Wait {
  size_t other;
  // Where that is said: "programs.3.after.0".
  std::string key;
};
// By number of program.
using Waits = std::vector<std::vector<Wait>>;

using Numbers = std::map<std::string_view, size_t>;

// Of two with the same name the first counts.
Numbers NumbersOf(const v1::NodeConfig& config) {
  Numbers numbers;
  for (int i = 0; i < config.programs_size(); ++i) {
    if (const std::string& name = config.programs(i).name(); !name.empty()) {
      numbers.emplace(name, static_cast<size_t>(i));
    }
  }
  return numbers;
}

Waits ReadWaits(const v1::NodeConfig& config, const ConfigLines& lines, ConfigFaults* faults) {
  const Numbers numbers = NumbersOf(config);
  std::vector<std::string> names;
  // Where a name was refused, it may be the one that is asked for.
  bool all_known = true;
  for (const v1::ProgramConfig& program : config.programs()) {
    names.push_back(program.name());
    all_known = all_known && !program.name().empty();
  }
  Waits waits(names.size());
  const auto read = [&](size_t self, const char* list, const auto& others) {
    for (int i = 0; i < others.size() && !faults->full(); ++i) {
      std::string key = fmt::format("programs.{}.{}.{}", self, list, i);
      const std::string& name = others.Get(i);
      const auto found = numbers.find(name);
      if (found != numbers.end() && names[found->second] == names[self]) {
        faults->AddKey(lines, key, fmt::format("\"{}\" cannot wait for itself", name));
      } else if (found != numbers.end()) {
        waits[self].push_back({found->second, std::move(key)});
      } else if (all_known) {
        const std::string meant = NearestName(names, name);
        faults->AddKey(lines, key,
                       fmt::format("there is no program \"{}\"; {}", name,
                                   meant.empty() || meant == names[self]
                                       ? "add it, or leave it out here"
                                       : fmt::format("did you mean \"{}\"?", meant)));
      }
    }
  };
  for (size_t i = 0; i < names.size(); ++i) {
    const v1::ProgramConfig& program = config.programs(static_cast<int>(i));
    read(i, "after", program.after());
    read(i, "needs", program.needs());
  }
  return waits;
}

}  // namespace

void CheckProgramNames(const v1::NodeConfig& config, const ConfigLines& lines,
                       ConfigFaults* faults) {
  const Numbers numbers = NumbersOf(config);
  for (int i = 0; i < config.programs_size(); ++i) {
    const std::string& name = config.programs(i).name();
    if (name.empty()) continue;
    const size_t first = numbers.at(name);
    if (first == static_cast<size_t>(i)) continue;
    const auto line = lines.find(fmt::format("programs.{}.name", first));
    faults->AddKey(lines, fmt::format("programs.{}.name", i),
                   fmt::format("\"{}\" is taken by the program in line {}; names must differ", name,
                               line == lines.end() ? 0 : line->second));
  }
}

void CheckProgramOrder(const v1::NodeConfig& config, const ConfigLines& lines,
                       ConfigFaults* faults) {
  const Waits waits = ReadWaits(config, lines, faults);
  enum class Seen { kNo, kOnPath, kDone };
  std::vector<Seen> seen(waits.size(), Seen::kNo);
  std::vector<bool> shown(waits.size(), false);
  // A path through the programs, each with the number of its waits that were followed. No
  // recursion: a file may hold a chain as long as itself.
  std::vector<std::pair<size_t, size_t>> path;
  for (size_t start = 0; start < waits.size(); ++start) {
    if (seen[start] != Seen::kNo) continue;
    path.emplace_back(start, 0);
    seen[start] = Seen::kOnPath;
    while (!path.empty()) {
      const size_t at = path.back().first;
      if (path.back().second == waits[at].size()) {
        seen[at] = Seen::kDone;
        path.pop_back();
        continue;
      }
      const Wait& wait = waits[at][path.back().second++];
      if (seen[wait.other] == Seen::kNo) {
        seen[wait.other] = Seen::kOnPath;
        path.emplace_back(wait.other, 0);
        continue;
      }
      if (seen[wait.other] == Seen::kDone) continue;
      const auto first = std::find_if(
          path.begin(), path.end(), [&wait](const auto& step) { return step.first == wait.other; });
      // Of cycles that share a program one is enough: the others may end with it.
      if (std::any_of(first, path.end(), [&](const auto& step) { return shown[step.first]; })) {
        continue;
      }
      std::string cycle = config.programs(static_cast<int>(at)).name();
      for (auto step = first; step != path.end(); ++step) {
        shown[step->first] = true;
        cycle += " -> " + config.programs(static_cast<int>(step->first)).name();
      }
      faults->AddKey(lines, wait.key,
                     fmt::format("programs wait for each other in a circle: {}; none of them would "
                                 "ever be started",
                                 cycle));
    }
  }
}

}  // namespace procctl::node
