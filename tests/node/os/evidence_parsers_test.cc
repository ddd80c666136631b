#include "node/os/evidence_parsers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <random>
#include <string>

#include "node/os/proc_file.h"
#include "node/os/syscall_name.h"

namespace procctl::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ParseStat, ANameCannotForgeTheCpuTime) {
  const auto stat = ParseStat(
      "4242 (x) S 1 () S 17 1 1 0 -1 4194560 1 2 3 4 111 222 7 8 20 0 1 0 123456 999 888 1 2\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "x) S 1 (");
  EXPECT_EQ(stat->user_ticks, 111u);
  EXPECT_EQ(stat->system_ticks, 222u);
}

TEST(ParseMemoryUse, IsInBytes) {
  const auto memory =
      ParseMemoryUse("Name:\tx\nVmPeak:\t  9 kB\nVmRSS:\t    12 kB\nVmSwap:\t 3 kB\n");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->resident, 12 * 1024);
  EXPECT_EQ(memory->swapped, 3 * 1024);
}

TEST(ParseMemoryUse, WhoHasNoMemoryHasNoNumbers) {
  EXPECT_FALSE(ParseMemoryUse("Name:\tkthreadd\nState:\tS\n"));
  EXPECT_FALSE(ParseMemoryUse("VmRSS:\t12 MB\n"));
  EXPECT_FALSE(ParseMemoryUse("VmRSS:\t-1 kB\n"));
  EXPECT_FALSE(ParseMemoryUse("VmRSS:\t9223372036854775807 kB\n"));
}

TEST(ParseMemoryUse, ANameInTheMiddleOfALineIsNoKey) {
  EXPECT_FALSE(ParseMemoryUse("Name:\tVmRSS: 1 kB\n"));
}

TEST(ParseWchan, ZeroIsNoFunction) {
  EXPECT_EQ(ParseWchan("0"), "");
  EXPECT_EQ(ParseWchan(""), "");
  EXPECT_EQ(ParseWchan("futex_wait_queue"), "futex_wait_queue");
  EXPECT_EQ(ParseWchan("do_wait\n"), "do_wait");
}

TEST(ParseSyscall, TellsTheThreeCasesApart) {
  const auto inside =
      ParseSyscall("202 0x7f0011 0x80 0x0 0x0 0x0 0x0 0x7ffd07885558 0x7f1e593af2ad\n");
  ASSERT_TRUE(inside);
  EXPECT_TRUE(inside->inside);
  EXPECT_EQ(inside->number, 202);
  EXPECT_FALSE(inside->maybe_compat);

  const auto running = ParseSyscall("running\n");
  ASSERT_TRUE(running);
  EXPECT_FALSE(running->inside);

  const auto outside = ParseSyscall("-1 0x7ffd07885558 0x7f1e593af2ad\n");
  ASSERT_TRUE(outside);
  EXPECT_FALSE(outside->inside);
}

TEST(ParseSyscall, ALowStackMayBelongToA32BitProcess) {
  EXPECT_TRUE(ParseSyscall("3 0x0 0x1 0x2 0x3 0x4 0x5 0xffffffff 0xf7f00000\n")->maybe_compat);
  EXPECT_FALSE(ParseSyscall("3 0x0 0x1 0x2 0x3 0x4 0x5 0x100000000 0xf7f00000\n")->maybe_compat);
}

TEST(ParseSyscall, WhatIsCutOffIsRefused) {
  for (const char* text : {"", "\n", "202", "202 0x1 0x2", "x 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8",
                           "202 1 2 3 4 5 6 7 8", "99999999999999999999 0x1"}) {
    EXPECT_FALSE(ParseSyscall(text)) << text;
  }
}

TEST(ParseStack, GivesFunctionsWithoutOffsetsAddressesAndModules) {
  EXPECT_THAT(ParseStack("[<0>] futex_wait_queue+0x67/0xa0\n"
                         "[<ffffffff8100>] fuse_dev_read.constprop.0+0x1/0x2 [fuse]\n"
                         "[<ffffffffffffffff>] 0xffffffffffffffff\n",
                         16),
              ElementsAre("futex_wait_queue", "fuse_dev_read.constprop.0"));
}

TEST(ParseStack, StopsAtTheMostFramesAndSkipsWhatIsNoFrame) {
  EXPECT_THAT(ParseStack("junk\n[<0>]\n[<0>] +0x1/0x2\n\n[<0>] a+0x1\n[<0>] b+0x1\n[<0>] c", 2),
              ElementsAre("a", "b"));
  EXPECT_THAT(ParseStack("", 16), IsEmpty());
}

TEST(ParseFdLimit, TakesTheSoftLimit) {
  EXPECT_EQ(ParseFdLimit("Max processes   1  2  processes\nMax open files   1024   4096   files\n"),
            1024);
  EXPECT_EQ(ParseFdLimit("Max open files            unlimited            unlimited  files\n"), -1);
  EXPECT_FALSE(ParseFdLimit("Max open files  -7 4096 files\n"));
  EXPECT_FALSE(ParseFdLimit("Max processes 1 2 processes\n"));
}

TEST(ParsePressure, TakesTheTenSecondAverages) {
  const auto pressure = ParsePressure(
      "some avg10=12.79 avg60=50.16 avg300=25.02 total=2\nfull avg10=0.50 avg60=0.00 total=0\n");
  ASSERT_TRUE(pressure);
  EXPECT_DOUBLE_EQ(pressure->some, 12.79);
  EXPECT_DOUBLE_EQ(pressure->full, 0.5);
  EXPECT_DOUBLE_EQ(ParsePressure("some avg10=1.00 avg60=0.00\n")->full, 0);
  for (const char* text : {"", "some avg60=1.00", "some avg10=nan", "some avg10=inf",
                           "some avg10=-1", "full avg10=1.00"}) {
    EXPECT_FALSE(ParsePressure(text)) << text;
  }
}

TEST(ParseHost, TakesLoadAndAvailableMemory) {
  EXPECT_DOUBLE_EQ(*ParseLoad("4.28 2.22 1.16 3/102 14953\n"), 4.28);
  EXPECT_FALSE(ParseLoad(""));
  EXPECT_EQ(ParseMemoryAvailable("MemTotal: 9 kB\nMemAvailable:   100 kB\n"), 100 * 1024);
  EXPECT_FALSE(ParseMemoryAvailable("MemTotal: 9 kB\n"));
}

// The words the formats are made of, in any order and cut anywhere.
TEST(EvidenceParsers, SurviveHostileBytes) {
  const std::string words[] = {"[<0>] ",
                               "VmRSS:",
                               "VmSwap:",
                               "some ",
                               "full ",
                               "avg10=",
                               "0x",
                               "-1",
                               "running",
                               "\n",
                               " ",
                               "\t",
                               "kB",
                               "+0x1/2",
                               "Max open files",
                               "202",
                               "(",
                               ")",
                               "\xff\x80",
                               "1e999",
                               "MemAvailable:",
                               "99999999999999999999"};
  std::mt19937 random(20261125);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (uint32_t n = random() % 20; n > 0; --n) {
      text += random() % 4 == 0 ? std::string(1, static_cast<char>(random()))
                                : words[random() % std::size(words)];
    }
    const std::string cut = text.substr(0, random() % (text.size() + 1));
    for (const std::string& bytes : {text, cut}) {
      (void)ParseStat(bytes);
      (void)ParseWchan(bytes);
      (void)ParseFdLimit(bytes);
      EXPECT_LE(ParseStack(bytes, 3).size(), 3u);
      const auto memory = ParseMemoryUse(bytes);
      if (memory) {
        EXPECT_GE(memory->resident, 0);
        EXPECT_GE(memory->swapped, 0);
      }
      const auto call = ParseSyscall(bytes);
      if (call) {
        EXPECT_GE(call->number, 0);
      }
      const auto pressure = ParsePressure(bytes);
      if (pressure) {
        EXPECT_GE(pressure->some, 0);
        EXPECT_GE(pressure->full, 0);
      }
      EXPECT_GE(ParseLoad(bytes).value_or(0), 0);
      EXPECT_GE(ParseMemoryAvailable(bytes).value_or(0), 0);
    }
  }
}

TEST(SyscallName, IsTheMachinesOwn) {
  EXPECT_EQ(SyscallName(SYS_futex), "futex");
  EXPECT_EQ(SyscallName(SYS_read), "read");
  EXPECT_EQ(SyscallName(SYS_clock_nanosleep), "clock_nanosleep");
  EXPECT_EQ(SyscallName(SYS_pidfd_open), "pidfd_open");
}

TEST(SyscallName, AnUnknownNumberStaysANumber) {
  EXPECT_EQ(SyscallName(1'000'000), "1000000");
  EXPECT_EQ(SyscallName(-5), "-5");
}

}  // namespace
}  // namespace procctl::node
