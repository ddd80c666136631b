#include "node/os/proc_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>

#include "node/os/sysv_table.h"

namespace procctl::node {
namespace {

// 20 fields from the state on; parent 17, flags 4194560, start time 123456.
std::string Stat(const std::string& comm, const std::string& flags = "4194560") {
  return "4242 (" + comm + ") S 17 11 12 0 -1 " + flags +
         " 1 2 3 4 5 6 7 8 20 0 3 0 123456 999 888 1 2\n";
}

TEST(ParseStat, ReadsThePlainCase) {
  const auto stat = ParseStat(Stat("worker"));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "worker");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 17);
  EXPECT_EQ(stat->group, 11);
  EXPECT_EQ(stat->session, 12);
  EXPECT_EQ(stat->threads, 3);
  EXPECT_EQ(stat->start_ticks, 123456);
  EXPECT_FALSE(stat->kernel_thread);
}

TEST(ParseStat, ANameCannotForgeTheFieldsAfterIt) {
  for (const char* name : {"a) R 1 (", ") R 1 1 1 1 1 1 1", "a b", "((", "))", "a\nb"}) {
    const auto stat = ParseStat(Stat(name));
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->comm, name);
    EXPECT_EQ(stat->parent, 17);
    EXPECT_EQ(stat->start_ticks, 123456);
  }
}

TEST(ParseStat, KnowsKernelThreads) {
  EXPECT_TRUE(ParseStat(Stat("kthreadd", "2129984"))->kernel_thread);
}

TEST(ParseStat, CutOffAnywhereItIsRefusedOrWhole) {
  const std::string whole = Stat("worker");
  const size_t end_of_start_time = whole.find("123456") + 6;
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto stat = ParseStat(whole.substr(0, length));
    if (length < end_of_start_time - 5) {
      EXPECT_FALSE(stat) << length;
    }
  }
}

TEST(ParseStat, SurvivesRandomBytes) {
  std::mt19937 random(20261122);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 8 == 0 ? ')' : random());
    (void)ParseStat(bytes);
    (void)ParseStatus(bytes);
    (void)ParseCgroupV2Path(bytes);
    (void)MapHolds(bytes, "00:01 98305");
  }
}

TEST(ParseStatus, TakesTheEffectiveUserAndTheTracer) {
  const auto status = ParseStatus("Name:\tx\nState:\tS\nTracerPid:\t77\nUid:\t0\t1000\t0\t0\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->uid, 1000);
  EXPECT_EQ(status->tracer, 77);
  EXPECT_FALSE(ParseStatus("Name:\tx\n"));
}

TEST(ParseCgroup, TakesTheV2LineAmongOthers) {
  EXPECT_EQ(ParseCgroupV2Path("12:cpu:/x\n0::/a/b\n"), "/a/b");
  EXPECT_EQ(ParseCgroupV2Path("12:cpu:/x\n"), "");
}

TEST(ReadStat, KnowsThisProcess) {
  const auto stat = ReadStat(getpid());
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, getppid());
  EXPECT_GT(stat->start_ticks, 0);
  EXPECT_FALSE(ReadStat(INT32_MAX));
}

TEST(OwnLine, HoldsThisProcessItsParentAndInit) {
  const auto line = OwnLine();
  EXPECT_TRUE(line.contains(getpid()));
  EXPECT_TRUE(line.contains(getppid()));
}

TEST(MapHolds, ComparesDeviceAndInodeNotTheName) {
  const std::string maps =
      "7f0000000000-7f0000001000 rw-s 00000000 00:01 98305                      /SYSV00005095 "
      "(deleted)\n"
      "7f0000002000-7f0000003000 r--p 00000000 fe:00 123 /lib/x\n";
  EXPECT_TRUE(MapHolds(maps, "00:01 98305"));
  EXPECT_FALSE(MapHolds(maps, "00:01 98306"));
  EXPECT_FALSE(MapHolds(maps, "00:01 9830"));
  EXPECT_FALSE(MapHolds("", "00:01 98305"));
}

}  // namespace
}  // namespace procctl::node
