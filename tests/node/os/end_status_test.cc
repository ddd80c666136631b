#include "node/os/end_status.h"

#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <cstdio>

#include "tests/node/os/foreigner.h"
#include "tests/node/os/program_fixture.h"

namespace procctl::node {
namespace {

EndStatus EndOf(const std::string& script) {
  auto process = StartProgram(Shell(script));
  EXPECT_TRUE(process.ok()) << process.status();
  if (!process.ok()) return {};
  EXPECT_TRUE(Readable(process->pidfd()));
  const EndStatus end = ReapOwnChild(*process);
  // Told once.
  EXPECT_EQ(waitpid(process->identity().pid, nullptr, WNOHANG), -1);
  return end;
}

bool KernelIsBefore(int major, int minor) {
  utsname name{};
  int have_major = 0;
  int have_minor = 0;
  if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &have_major, &have_minor) != 2)
    return true;
  return have_major < major || (have_major == major && have_minor < minor);
}

// Until the process was reaped by whoever is its parent.
bool HangsUp(int pidfd) {
  for (int i = 0; i < kPatienceMs; ++i) {
    pollfd p{pidfd, 0, 0};
    // The kernel wakes nobody who waits for nothing but the hang-up.
    if (poll(&p, 1, 1) == 1 && (p.revents & POLLHUP) != 0) return true;
  }
  return false;
}

TEST(ReapOwnChild, TellsAnExitCode) {
  const EndStatus end = EndOf("exit 3");
  EXPECT_TRUE(end.known);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  EXPECT_FALSE(end.core_dumped);
  ASSERT_TRUE(end.cpu && end.max_resident);
  EXPECT_GE(*end.cpu, Nanos{0});
  EXPECT_GT(*end.max_resident, 64 << 10);
  EXPECT_LT(*end.max_resident, int64_t{64} << 30);
}

TEST(ReapOwnChild, TellsASignal) {
  const EndStatus end = EndOf("kill -KILL $$");
  EXPECT_TRUE(end.known);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_FALSE(end.core_dumped);
}

TEST(ReapOwnChild, CountsTheProcessorTime) {
  const EndStatus end = EndOf("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
  ASSERT_TRUE(end.cpu);
  EXPECT_GT(*end.cpu, std::chrono::milliseconds(1));
}

TEST(ReapOwnChild, KnowsNothingOfTheLiving) {
  auto process = StartProgram(Shell("exec sleep 1000"));
  ASSERT_TRUE(process.ok()) << process.status();
  EndStatus end = ReapOwnChild(*process);
  EXPECT_FALSE(end.known);
  EXPECT_FALSE(end.may_follow);
  process->Signal(SIGTERM);
  ASSERT_TRUE(Readable(process->pidfd()));
  end = ReapOwnChild(*process);
  EXPECT_TRUE(end.known);
  EXPECT_EQ(end.signal, SIGTERM);
}

TEST(EndFromWaitStatus, ReadsWhatWaitGives) {
  EXPECT_EQ(EndFromWaitStatus(7 << 8).exit_code, 7);
  EXPECT_EQ(EndFromWaitStatus(SIGSEGV | 0x80).signal, SIGSEGV);
  EXPECT_TRUE(EndFromWaitStatus(SIGSEGV | 0x80).core_dumped);
  EXPECT_FALSE(EndFromWaitStatus(SIGSEGV).core_dumped);
  EXPECT_FALSE(EndFromWaitStatus(0x137f).known) << "stopped, not ended";
}

class ForeignEnd : public testing::Test {
 protected:
  void SetUp() override {
    if (KernelIsBefore(6, 15)) GTEST_SKIP() << "PIDFD_INFO_EXIT came with kernel 6.15";
  }
};

TEST_F(ForeignEnd, IsToldOnceItsParentHasReapedIt) {
  Foreigner foreigner([] { _exit(3); });
  auto process = ProcessRef::Open(foreigner.pid());
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_FALSE(ReapOwnChild(*process).known);
  EXPECT_FALSE(ReapOwnChild(*process).may_follow);
  foreigner.End();
  ASSERT_TRUE(Readable(process->pidfd()));
  EndStatus end = ReapOwnChild(*process);
  EXPECT_FALSE(end.known);
  EXPECT_TRUE(end.may_follow);
  foreigner.Reap();
  ASSERT_TRUE(HangsUp(process->pidfd()));
  end = ReapOwnChild(*process);
  EXPECT_TRUE(end.known);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.signal, 0);
  EXPECT_FALSE(end.cpu);
}

TEST_F(ForeignEnd, TellsASignal) {
  Foreigner foreigner([] {
    for (;;) pause();
  });
  auto process = ProcessRef::Open(foreigner.pid());
  ASSERT_TRUE(process.ok()) << process.status();
  process->Signal(SIGKILL);
  foreigner.Reap();
  ASSERT_TRUE(HangsUp(process->pidfd()));
  const EndStatus end = ReapOwnChild(*process);
  EXPECT_TRUE(end.known);
  EXPECT_EQ(end.signal, SIGKILL);
}

TEST(ReapStrangers, TakesWhomNobodyKnowsAndLeavesTheOthers) {
  auto known = StartProgram(Shell("exit 4"));
  auto stranger = StartProgram(Shell("exit 5"));
  auto living = StartProgram(Shell("exec sleep 1000"));
  ASSERT_TRUE(known.ok() && stranger.ok() && living.ok());
  ASSERT_TRUE(Readable(known->pidfd()) && Readable(stranger->pidfd()));
  EXPECT_GE(ReapStrangers({known->identity().pid}), 1);
  EXPECT_EQ(waitpid(stranger->identity().pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(ReapOwnChild(*known).exit_code, 4);
  EXPECT_TRUE(living->Alive());
  living->Signal(SIGKILL);
  (void)AwaitEnd(*living);
}

}  // namespace
}  // namespace procctl::node
