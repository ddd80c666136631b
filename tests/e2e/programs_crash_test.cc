// kill -9 of the guardian, again and again, with programs of every kind: none dies of it, none is
// started twice, no due time is lost or served twice, and the record tells each life once.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/harness/diary.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {
namespace {

constexpr int kQuiet = 20;
constexpr int kBeating = 3;

int Rounds() {
  const char* wanted = std::getenv("PROCCTL_TEST_ROUNDS");
  return wanted == nullptr ? 20 : std::max(1, std::atoi(wanted));
}

std::string Yaml(const std::string& diary) {
  const std::string begin = "[" + Program("diarist") + ", --file, " + diary;
  std::string yaml = "programs:\n";
  const auto add = [&](const std::string& name, const std::string& arguments,
                       const std::string& keys) {
    yaml += "  - {name: " + name + ", command: " + begin + arguments + "], " + keys + "}\n";
  };
  add("quiet", "", "instances: " + std::to_string(kQuiet));
  // Three seconds: a guardian is away for less, and what was said meanwhile is not held against
  // them.
  add("beating", ", --notify-ms, '100'",
      "door: notify, watchdog: 3s, instances: " + std::to_string(kBeating));
  add("each-second", ", --live-ms, '150'", "every: 1s");
  add("each-minute", ", --live-ms, '150'", "cron: '* * * * *'");
  add("crashing", ", --live-ms, '700', --exit-code, '3'",
      "backoff: {first: 100ms, most: 200ms}, intensity: {starts: 1000000, within: 1h}");
  // Its next life begins in the turn that sees its end.
  add("at-once", ", --live-ms, '300', --exit-code, '3'",
      "backoff: {first: 0s, most: 1s, reset_after: 100ms, jitter_percent: 0}, "
      "intensity: {starts: 1000000, within: 1h}");
  return yaml;
}

// Keeps one processor busy.
Child Load() {
  return Child::Fork([] {
    // A system call each time: an endless loop without effect may be left out by a compiler.
    while (getppid() > 0) {
    }
    return 0;
  });
}

bool IsLong(const DiaryLine& line) {
  return line.program.rfind("quiet@", 0) == 0 || line.program.rfind("beating@", 0) == 0;
}

std::map<std::string, pid_t> LongOnes(const std::vector<DiaryLine>& lines) {
  std::map<std::string, pid_t> pids;
  for (const DiaryLine& line : lines) {
    if (!IsLong(line)) continue;
    EXPECT_TRUE(line.start) << line.run << " ended";
    EXPECT_TRUE(pids.emplace(line.program, line.pid).second)
        << line.program << " was started a second time, as pid " << line.pid;
  }
  return pids;
}

// What the diary alone says: one line per run, one life at a time.
void CheckDiary(const std::vector<DiaryLine>& lines) {
  std::set<std::string> runs;
  std::map<std::string, DiaryLine> alive;
  for (const DiaryLine& line : lines) {
    const auto before = alive.find(line.program);
    if (line.start) {
      EXPECT_TRUE(runs.insert(line.run).second) << "run " << line.run << " took place twice";
      EXPECT_TRUE(before == alive.end())
          << line.run << " began while pid " << before->second.pid << " was there";
      alive[line.program] = line;
    } else {
      EXPECT_TRUE(before != alive.end() && before->second.run == line.run &&
                  before->second.pid == line.pid)
          << line.run << " ended and had not begun";
      alive.erase(line.program);
    }
  }
}

std::string RunAt(absl::Time minute) {
  return "each-minute/" + absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", minute, absl::UTCTimeZone());
}

absl::Time NextMinute(absl::Time after) {
  return absl::FromUnixSeconds((absl::ToUnixSeconds(after) / 60 + 1) * 60);
}

// Every minute in (begin, end] has its run; the last ones may still be on their way.
int CheckMinutes(const Diary& diary, absl::Time begin, absl::Time end) {
  int minutes = 0;
  for (absl::Time due = NextMinute(begin); due <= end; due = NextMinute(due)) {
    ++minutes;
    EXPECT_TRUE(Eventually(20s,
                           [&] {
                             const auto lines = diary.Read();
                             return std::any_of(lines.begin(), lines.end(),
                                                [&](const DiaryLine& line) {
                                                  return line.start && line.run == RunAt(due);
                                                });
                           }))
        << RunAt(due) << " never took place";
  }
  return minutes;
}

// A life as events tell it: a run that never passed its gate is begun once more under its name.
using Life = std::tuple<std::string, int64_t>;

struct Told {
  std::map<Life, int> started;
  std::map<Life, int> ended;
};

Told Tell(const std::vector<v1::Event>& events) {
  Told told;
  for (const v1::Event& event : events) {
    const Life life{event.run(), event.incarnation().pid()};
    if (event.kind() == v1::EVENT_KIND_PROGRAM_STARTED) ++told.started[life];
    if (event.kind() == v1::EVENT_KIND_PROGRAM_ENDED) ++told.ended[life];
  }
  return told;
}

std::string Faults(const Told& told, const std::vector<DiaryLine>& lines) {
  std::string faults;
  const auto count = [](const std::map<Life, int>& of, const Life& life) {
    const auto found = of.find(life);
    return found == of.end() ? 0 : found->second;
  };
  std::set<Life> lives;
  for (const DiaryLine& line : lines) lives.insert({line.run, line.pid});
  for (const auto& [life, times] : told.started) lives.insert(life);
  for (const auto& [life, times] : told.ended) lives.insert(life);
  for (const Life& life : lives) {
    const int started = count(told.started, life);
    const int ended = count(told.ended, life);
    if (started == 1 && ended == 1) continue;
    faults += std::get<0>(life) + " pid " + std::to_string(std::get<1>(life)) + ": " +
              std::to_string(started) + " times PROGRAM_STARTED, " + std::to_string(ended) +
              " times PROGRAM_ENDED\n";
  }
  return faults;
}

TEST(ProgramsCrash, KilledAtRandomInstantsItHarmsNoProgramAndRunsEachDueTimeOnce) {
  Diary diary;
  Fleet fleet({"n1"});
  fleet.StartController();
  NodeOptions options;
  options.yaml = Yaml(diary.path());
  const absl::Time begin = absl::Now();
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  std::map<std::string, pid_t> at_first;
  Await(30s, "every long-running program", [&] {
    at_first = LongOnes(diary.Read());
    return at_first.size() == kQuiet + kBeating;
  });
  const Child load = Load();

  std::random_device seed;
  const unsigned seeded = seed();
  std::mt19937 random(seeded);
  std::printf("seed %u\n", seeded);
  std::uniform_int_distribution<int> alive_ms(0, 900);
  const int rounds = Rounds();
  for (int round = 1; round <= rounds; ++round) {
    (void)Throughout(std::chrono::milliseconds(alive_ms(random)),
                     [&] { return node.guardian().Running(); });
    ASSERT_TRUE(node.guardian().Running()) << "it ended by itself\n" << node.Log();
    node.guardian().Kill();
    fleet.StartNode("n1", options);
    const std::vector<DiaryLine> lines = diary.Read();
    ASSERT_EQ(LongOnes(lines), at_first) << "in round " << round;
    CheckDiary(lines);
    const std::set<pid_t> writers = diary.Writers();
    for (const auto& [program, pid] : at_first)
      EXPECT_TRUE(writers.contains(pid)) << program << " pid " << pid << " died";
    if (HasFailure()) FAIL() << "in round " << round << "\n" << node.Log();
  }
  const int minutes = CheckMinutes(diary, begin, absl::Now());

  // All are guarded as before: they run, and are known to have passed their start.
  fleet.AwaitConnected(1, 30s);
  std::string list;
  EXPECT_TRUE(Eventually(20s, [&] {
    list = fleet.Cli({"list", "programs"}).out;
    size_t running = 0;
    for (size_t at = 0; (at = list.find(" running ", at)) != std::string::npos; ++at) ++running;
    return running >= at_first.size() && list.find(" parked ") == std::string::npos;
  })) << list;

  node.guardian().Signal(SIGINT);
  ASSERT_TRUE(node.guardian().WaitExit(60s)) << node.Log();
  EXPECT_TRUE(Eventually(10s, [&] { return diary.Writers().empty(); })) << node.Log();
  CheckDiary(diary.Read());

  // What was told last reaches the controller with the next guardian, which has no programs.
  options.yaml.clear();
  fleet.StartNode("n1", options);
  fleet.AwaitConnected(1, 30s);
  const std::vector<DiaryLine> lines = diary.Read();
  std::string faults;
  EXPECT_TRUE(Eventually(30s,
                         [&] {
                           faults = Faults(Tell(fleet.Events()), lines);
                           return faults.empty();
                         }))
      << faults << node.Log();
  for (const v1::Event& event : fleet.Events()) {
    if (event.kind() == v1::EVENT_KIND_PROGRAM_ENDED) {
      EXPECT_NE(event.cause(), v1::CAUSE_HEARTBEAT) << event.message();
    }
    if (event.kind() == v1::EVENT_KIND_SLOT_LOST || event.kind() == v1::EVENT_KIND_RUN_SKIPPED)
      ADD_FAILURE() << event.message();
  }
  std::printf("%d kills of the guardian: %zu programs untouched, %zu lives told, %d minutes due\n",
              rounds, at_first.size(), Tell(fleet.Events()).ended.size(), minutes);
}

}  // namespace
}  // namespace procctl::e2e
