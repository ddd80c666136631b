#include "node/os/oom_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>

namespace procctl::node {
namespace {

TEST(ParseOomKill, FindsTheVictim) {
  EXPECT_EQ(ParseOomKill("3,1234,567890,-;Out of memory: Killed process 4242 (eater) "
                         "total-vm:1kB, anon-rss:1kB\n"),
            4242);
  EXPECT_EQ(ParseOomKill("3,1,2,-;Memory cgroup out of memory: Killed process 7 (a b) (c) total"),
            7);
  EXPECT_EQ(ParseOomKill(
                "3,1,2,-,caller=T1;Out of memory (oom_kill_allocating_task): Killed process 8 (x)"),
            8);
}

TEST(ParseOomKill, NobodyElseCanForgeOne) {
  // Written to /dev/kmsg by a program: facility 1 or more.
  EXPECT_FALSE(ParseOomKill("11,1,2,-;Out of memory: Killed process 4242 (eater)"));
  EXPECT_FALSE(ParseOomKill("-1,1,2,-;Out of memory: Killed process 4242 (eater)"));
  // A name in another record.
  EXPECT_FALSE(ParseOomKill("4,1,2,-;x: Out of memory: Killed process 4242 (eater)"));
  EXPECT_FALSE(ParseOomKill("4,1,2,-;Killed process 4242 (eater) invoked oom-killer"));
}

TEST(ParseOomKill, RefusesWhatIsCutOrNonsense) {
  const std::string whole = "3,1,2,-;Out of memory: Killed process 4242 (";
  ASSERT_TRUE(ParseOomKill(whole));
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(ParseOomKill(whole.substr(0, length))) << length;
  EXPECT_FALSE(ParseOomKill("3,1,2,-;Out of memory: Killed process -1 (x)"));
  EXPECT_FALSE(ParseOomKill("3,1,2,-;Out of memory: Killed process 99999999999 (x)"));
  EXPECT_FALSE(ParseOomKill("3,1,2,-;Out of memory: Killed process 12x (x)"));
  std::mt19937 random(20261126);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 100, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(ParseOomKill(bytes)) << "seed 20261126, round " << i;
  }
}

TEST(OomLog, OldRecordsAreNotTold) {
  OomLog log = OomLog::Open();
  if (!log.available()) GTEST_SKIP() << "this process may not read /dev/kmsg";
  log.Read();
  EXPECT_FALSE(log.TakeVictim(getpid()));
}

TEST(OomVictims, EachIsToldOnceWhoeverIsAskedForFirst) {
  OomVictims victims;
  victims.Add(4242);
  victims.Add(7);
  EXPECT_FALSE(victims.Take(8));
  EXPECT_TRUE(victims.Take(7));
  EXPECT_FALSE(victims.Take(7));
  EXPECT_TRUE(victims.Take(4242));
}

TEST(OomVictims, TheOldestMakeRoom) {
  OomVictims victims;
  constexpr auto kMost = static_cast<int32_t>(OomVictims::kMost);
  for (int32_t pid = 1; pid <= kMost + 1; ++pid) victims.Add(pid);
  EXPECT_FALSE(victims.Take(1));
  EXPECT_TRUE(victims.Take(2));
  EXPECT_TRUE(victims.Take(kMost + 1));
}

}  // namespace
}  // namespace procctl::node
