#include "node/os/usage.h"

#include <gtest/gtest.h>

#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "tests/node/os/program_fixture.h"

namespace procctl::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

uint64_t TicksOf(int32_t pid) {
  const auto stat = ReadStat(pid);
  return stat ? stat->user_ticks + stat->system_ticks : 0;
}

// Stops a child of ours, so that its numbers stand still.
void Stop(ProcessRef* process) {
  process->Signal(SIGSTOP);
  siginfo_t info{};
  (void)waitid(P_PIDFD, static_cast<id_t>(process->pidfd()), &info, WSTOPPED);
}

TEST(UsageReader, ReadsWhatTheKernelCounts) {
  Scratch scratch;
  Fifo out(scratch / "out");
  ProgramStart start =
      Shell("x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo ready; while :; do :; done");
  start.stdout_fifo = out.path();
  auto process = StartProgram(start);
  ASSERT_TRUE(process.ok()) << process.status();
  const int32_t pid = process->identity().pid;
  ASSERT_EQ(out.Line(), "ready");
  Stop(&*process);
  UsageReader reader;
  const MonoTime t0 = MonoNow();
  const uint64_t ticks0 = TicksOf(pid);
  ASSERT_FALSE(reader.Read({pid, process->identity().start_ticks + 1}, t0))
      << "the pid is another's by now";
  std::optional<v1::Usage> read = reader.Read(process->identity(), t0);
  ASSERT_TRUE(read);
  EXPECT_FALSE(reader.knows_cpu());
  const v1::Usage usage = *read;
  EXPECT_EQ(usage.cpu_percent(), 0);
  EXPECT_GT(usage.resident(), 7'000'000);
  EXPECT_LT(usage.resident(), 500'000'000);
  EXPECT_EQ(usage.threads(), 1);
  EXPECT_EQ(usage.descriptors(), 3);

  process->Signal(SIGCONT);
  const MonoTime limit = t0 + milliseconds(kPatienceMs);
  while (TicksOf(pid) < ticks0 + 5 && MonoNow() < limit) (void)poll(nullptr, 0, 5);
  Stop(&*process);
  const auto used = static_cast<int64_t>(TicksOf(pid) - ticks0);
  ASSERT_GE(used, 5);
  // Two seconds, says this test.
  read = reader.Read(process->identity(), t0 + seconds(2));
  ASSERT_TRUE(read);
  EXPECT_TRUE(reader.knows_cpu());
  EXPECT_NEAR(read->cpu_percent(), static_cast<double>(used) * 50 / sysconf(_SC_CLK_TCK), 0.5);
  const int percent = read->cpu_percent();
  read = reader.Read(process->identity(), t0 + seconds(2) + milliseconds(199));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->cpu_percent(), percent);
  read = reader.Read(process->identity(), t0 + seconds(2) + milliseconds(200));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->cpu_percent(), 0);

  process->Signal(SIGKILL);
  (void)AwaitEnd(*process);
  EXPECT_FALSE(reader.Read(process->identity(), t0 + seconds(4)));
}

}  // namespace
}  // namespace procctl::node
