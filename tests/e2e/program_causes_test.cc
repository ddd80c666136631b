// Why programs ended, where that is easily told wrong: memory that ran out and a limit of ours look
// like SIGKILL and SIGTERM from anybody, and two that end at once look like each other.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/harness/memory_group.h"
#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

using ProgramCauses = Programs;

TEST_F(ProgramCauses, WhoRanOutOfMemoryAndWhoPassedALimitAreToldApart) {
  const MemoryGroup little("eater", 32 * kMiB);
  if (!little.usable()) GTEST_SKIP() << little.why();
  // The first life of each takes too much, those after it nothing.
  const auto once = [this](const std::string& name, const std::string& shell) {
    const std::string mark = fleet_.folder() + "/" + name + ".first";
    return "[ -e " + mark + " ] && " + kForever + "; : > " + mark + "; " + shell;
  };
  const std::string hoard = "exec " + Program("hoarder") + " --mib ";
  const std::initializer_list<std::string> policy = {"restart: on-failure", "backoff: {first: 0s}",
                                                     "limits: {restart_above_memory: 100M}"};
  Start(Entry("eater", once("eater", little.Join() + "; " + hoard + "80"), policy) +
        Entry("fat", once("fat", hoard + "200"), policy) +
        Entry("shot", once("shot", "kill -KILL $$"), policy) +
        Entry("asked", once("asked", "kill -TERM $$"), policy) +
        Entry("healthy", hoard + "5", policy));

  struct Expected {
    const char* label;
    v1::Cause cause;
    int signal;
    const char* in_history;
  };
  for (const Expected& expected :
       {Expected{"eater", v1::CAUSE_OOM, SIGKILL, "out of memory"},
        Expected{"fat", v1::CAUSE_LIMIT, SIGTERM, "passed a limit"},
        Expected{"shot", v1::CAUSE_SIGNAL, SIGKILL, "killed by a signal from outside"},
        Expected{"asked", v1::CAUSE_SIGNAL, SIGTERM, "killed by a signal from outside"}}) {
    const std::string label = expected.label;
    const v1::Event death = TheDeath(label);
    EXPECT_EQ(v1::Cause_Name(death.death().cause()), v1::Cause_Name(expected.cause)) << label;
    EXPECT_EQ(death.death().signal(), expected.signal) << label;
    const pid_t again = AwaitNewPid(label, death.incarnation().pid());
    EXPECT_GT(again, 0);
    const v1::Program row = AwaitState(label, v1::PROGRAM_STATE_RUNNING);
    EXPECT_EQ(row.starts(), 2) << label << " is started again by its policy";
    const Finished table = fleet_.Cli({"history", "n1/" + label});
    EXPECT_THAT(table.out, HasSubstr(expected.in_history)) << label;
    EXPECT_THAT(table.out, HasSubstr(expected.signal == SIGKILL ? "SIGKILL" : "SIGTERM")) << label;
  }
  const v1::Event limit = TheDeath("fat");
  EXPECT_GT(limit.death().max_resident(), 100 * kMiB);
  const v1::Event term = fleet_.AwaitEvent("SIGTERM for the limit", 30s,
                                           Is(v1::EVENT_KIND_TERM_SENT, limit.incarnation().pid()));
  EXPECT_EQ(term.cause(), v1::CAUSE_LIMIT);
  EXPECT_TRUE(History(fleet_, "n1/healthy").empty());
  EXPECT_EQ(AwaitState("healthy", v1::PROGRAM_STATE_RUNNING).starts(), 1);
}

// A way to end, as the shell of the program obeys it.
struct Way {
  const char* order;
  v1::Cause cause;
  int exit_code;
  int signal;
};
constexpr Way kEat = {"eat", v1::CAUSE_OOM, 0, SIGKILL};
constexpr std::array<Way, 6> kWays = {{{"exit 0", v1::CAUSE_EXIT, 0, 0},
                                       {"exit 3", v1::CAUSE_EXIT, 3, 0},
                                       {"kill -SEGV $$", v1::CAUSE_SIGNAL, 0, SIGSEGV},
                                       {"kill -KILL $$", v1::CAUSE_SIGNAL, 0, SIGKILL},
                                       {"kill -TERM $$", v1::CAUSE_SIGNAL, 0, SIGTERM},
                                       kEat}};

std::string ToText(v1::Cause cause, int exit_code, int signal) {
  return v1::Cause_Name(cause) + " exit " + std::to_string(exit_code) + " signal " +
         std::to_string(signal);
}
std::string ToText(const Way& way) { return ToText(way.cause, way.exit_code, way.signal); }

// Two programs, each of which waits for its order at a pipe and ends as that says, life after life.
class TwoPrograms : public Programs {
 protected:
  struct One {
    std::string label;
    std::string gate;
    // A line with the pid of each life.
    std::string lives;
    UniqueFd orders;
    std::vector<std::string> wanted;
  };

  One Make(const std::string& label) {
    One one{label,
            fleet_.folder() + "/" + label + ".gate",
            fleet_.folder() + "/" + label + ".lives",
            UniqueFd(),
            {}};
    if (mkfifo(one.gate.c_str(), 0600) != 0) throw HarnessError("mkfifo " + one.gate);
    // Both ends: neither the test nor a program waits for the other's opening.
    one.orders = UniqueFd(open(one.gate.c_str(), O_RDWR | O_CLOEXEC));
    return one;
  }

  static std::string EntryOf(const One& one, const MemoryGroup& memory) {
    const std::string eat =
        memory.usable() ? memory.Join() + "; exec " + Program("hoarder") + " --mib 64" : "exit 99";
    return Entry(one.label,
                 "eat() { " + eat + "; }; exec 3< " + one.gate + "; echo $$ >> " + one.lives +
                     "; read -r how <&3; eval \"$how\"",
                 {"restart: always", "backoff: {first: 0s}",
                  "intensity: {starts: 100000, within: 1h}", "limits: {rlimits: [core=0]}"});
  }

  // The process of its next life, once that waits for an order.
  FleetProcess AwaitLife(const One& one) {
    std::vector<pid_t> pids;
    Await(
        60s, one.label + " in life " + std::to_string(one.wanted.size() + 1),
        [&] {
          const std::string text = ReadFile(one.lives);
          std::istringstream lines(text);
          pids.clear();
          for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
          return pids.size() == one.wanted.size() + 1 && text.ends_with('\n');
        },
        [&] { return fleet_.node("n1").Log(); });
    return FleetProcess(pids.back());
  }

  static void Order(One* one, const Way& way) {
    const std::string line = std::string(way.order) + "\n";
    ASSERT_EQ(write(one->orders.get(), line.data(), line.size()),
              static_cast<ssize_t>(line.size()));
    one->wanted.push_back(ToText(way));
  }

  // In one moment for the guardian too, where `found_together`.
  void EndBoth(One* left, const Way& left_way, One* right, const Way& right_way,
               bool found_together) {
    const FleetProcess left_process = AwaitLife(*left);
    const FleetProcess right_process = AwaitLife(*right);
    const Child& guardian = fleet_.node("n1").guardian();
    if (found_together) guardian.Signal(SIGSTOP);
    Order(left, left_way);
    Order(right, right_way);
    EXPECT_TRUE(Eventually(30s, [&] { return left_process.Gone() && right_process.Gone(); }))
        << ToText(left_way) << ", " << ToText(right_way);
    if (found_together) guardian.Signal(SIGCONT);
  }

  // As `procctl-cli history` has it, oldest first.
  std::vector<std::string> Told(const One& one) {
    std::vector<std::string> told;
    for (const v1::Event& event : History(fleet_, "n1/" + one.label)) {
      EXPECT_EQ(event.program(), one.label);
      const v1::Death& death = event.death();
      told.push_back(ToText(death.cause(), death.exit_code(), death.signal()));
    }
    return told;
  }
};

TEST_F(TwoPrograms, ThatEndAtOnceAreNeverTakenForEachOther) {
  constexpr int kRounds = 30;
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  // One each, so that neither is killed for what the other took.
  const MemoryGroup left_memory("left", 32 * kMiB);
  const MemoryGroup right_memory("right", 32 * kMiB);
  const bool with_memory = left_memory.usable() && right_memory.usable();
  if (!with_memory) std::printf("without ends for memory: %s\n", left_memory.why().c_str());
  const size_t ways = with_memory ? kWays.size() : kWays.size() - 1;
  One left = Make("left");
  One right = Make("right");
  Start(EntryOf(left, left_memory) + EntryOf(right, right_memory));
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const size_t way = random() % ways;
    const size_t other = (way + 1 + random() % (ways - 1)) % ways;
    EndBoth(&left, kWays.at(way), &right, kWays.at(other), round % 2 == 1);
  }
  // Both for memory: what the kernel wrote of the one must not be lost on the other.
  if (with_memory) {
    for (int round = 0; round < 3; ++round) EndBoth(&left, kEat, &right, kEat, true);
  }
  for (const One* one : {&left, &right}) {
    (void)AwaitLife(*one);
    std::vector<std::string> told;
    Eventually(30s, [&] {
      told = Told(*one);
      return told.size() >= one->wanted.size();
    });
    EXPECT_EQ(told, one->wanted) << one->label;
  }
}

}  // namespace
}  // namespace procctl::e2e
