// Runs seeds, or one plan from a file.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/sim/make_plan.h"
#include "tests/sim/plan.h"
#include "tests/sim/shrink.h"
#include "tests/sim/world.h"

namespace procctl::sim {
namespace {

struct Options {
  uint64_t first = 1;
  uint64_t seeds = 1000;
  unsigned jobs = 1;
  bool shrink = false;
  bool keep_going = false;
  bool events = false;
  std::vector<std::string> replay;
};

struct Tally {
  uint64_t runs = 0;
  uint64_t violations = 0;
  int64_t scans = 0;
  int64_t crashes = 0;
  std::optional<uint64_t> worst;
};

Tally RunSeeds(const Options& options) {
  std::mutex mutex;
  Tally all;
  uint64_t next = options.first;
  const uint64_t end = options.first + options.seeds;
  constexpr uint64_t kBatch = 50;
  const auto work = [&] {
    Tally mine;
    for (;;) {
      uint64_t begin = 0;
      {
        const std::lock_guard lock(mutex);
        all.runs += mine.runs;
        all.violations += mine.violations;
        all.scans += mine.scans;
        all.crashes += mine.crashes;
        if (mine.worst && (!all.worst || *mine.worst < *all.worst)) all.worst = mine.worst;
        if (next >= end || (all.worst && !options.keep_going)) return;
        begin = next;
        next = std::min(next + kBatch, end);
      }
      mine = Tally();
      for (uint64_t seed = begin; seed < std::min(begin + kBatch, end); ++seed) {
        const Outcome outcome = RunPlan(MakePlan(seed));
        ++mine.runs;
        mine.scans += outcome.scans;
        mine.crashes += outcome.crashes;
        if (outcome.violation.empty()) continue;
        ++mine.violations;
        if (options.keep_going)
          std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                      outcome.violation.c_str());
        if (!mine.worst) mine.worst = seed;
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < options.jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return all;
}

// What a shrunk plan must keep: the invariant and the words, not the numbers in them.
std::string KindOf(const std::string& violation) {
  std::string kind = violation.substr(std::min(violation.find("s: "), violation.size()));
  std::erase_if(kind, [](char c) { return c >= '0' && c <= '9'; });
  return kind;
}

void Report(const Plan& plan, bool shrink) {
  const std::string violation = RunPlan(plan).violation;
  Plan shown = plan;
  if (shrink) {
    shown = Shrink(plan, [kind = KindOf(violation)](const Plan& p) {
      return KindOf(RunPlan(p).violation) == kind;
    });
  }
  std::printf("# %s\n%s", RunPlan(shown).violation.c_str(), ToText(shown).c_str());
}

int Replay(const Options& options, const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::string error;
  const std::optional<Plan> plan = PlanFromText(text, &error);
  if (!file || !plan) {
    std::fprintf(stderr, "sim: %s: %s\n", path.c_str(),
                 error.empty() ? "cannot be read" : error.c_str());
    return 2;
  }
  const Outcome outcome = RunPlan(*plan, options.events ? stdout : nullptr);
  if (outcome.violation.empty()) {
    std::printf("%s: every invariant held\n", path.c_str());
    return 0;
  }
  Report(*plan, options.shrink);
  return 1;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Runs the guardian's core in a simulated host and checks that it keeps its word.",
               "sim");
  app.add_option("--seeds", options.seeds, "How many");
  app.add_option("--first", options.first, "The first of them");
  app.add_option("--jobs", options.jobs, "Threads")->check(CLI::Range(1, 64));
  app.add_flag("--shrink", options.shrink, "Print the smallest plan that still fails");
  app.add_flag("--keep-going", options.keep_going, "Run all, name every seed that fails");
  app.add_flag("--events", options.events, "With --replay: print every event");
  app.add_option("--replay", options.replay, "Run the plans in these files instead");
  CLI11_PARSE(app, argc, argv);
  int result = 0;
  for (const std::string& path : options.replay) result = std::max(result, Replay(options, path));
  if (!options.replay.empty()) return result;

  const auto begin = std::chrono::steady_clock::now();
  const Tally tally = RunSeeds(options);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf(
      "sim: %llu seeds from %llu, %lld scans, %lld crashes, %.0f seeds/s, %llu violations\n",
      static_cast<unsigned long long>(tally.runs), static_cast<unsigned long long>(options.first),
      static_cast<long long>(tally.scans), static_cast<long long>(tally.crashes),
      static_cast<double>(tally.runs) / std::max(seconds, 1e-9),
      static_cast<unsigned long long>(tally.violations));
  if (!tally.worst) return 0;
  std::printf("seed %llu fails:\n", static_cast<unsigned long long>(*tally.worst));
  Report(MakePlan(*tally.worst), options.shrink);
  return 1;
}

}  // namespace
}  // namespace procctl::sim

int main(int argc, char** argv) { return procctl::sim::Main(argc, argv); }
