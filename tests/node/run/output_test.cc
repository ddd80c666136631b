// --watch-output.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/node/heartbeat/fake_guardian.h"
#include "tests/node/run/wrapped.h"

namespace procctl::run {
namespace {

using heartbeat::BeatsOf;
using heartbeat::FakeGuardian;

std::vector<std::string> Watching(const std::string& script) {
  return {"--name", "a", "--timeout", "20s", "--watch-output", "--quiet", "--", "sh", "-c", script};
}

std::string Numbers(int count) {
  std::string lines;
  for (int i = 1; i <= count; ++i) lines += std::to_string(i) + "\n";
  return lines;
}

TEST(WatchOutput, BeatsWhenTheProgramWrites) {
  const FakeGuardian guardian;
  const Folder folder;
  Touch(folder / "go");
  const Wrapped run(Watching("while [ -e " + folder / "go" +
                             " ]; do echo line; sleep 0.02; done; echo silent; sleep 1000"));
  ASSERT_TRUE(Within(kPatience, [&] { return guardian.slots() == 1; }));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Moves(guardian.page(1)));
  std::filesystem::remove(folder / "go");
  ASSERT_TRUE(run.Prints("silent"));
  const uint64_t beats = BeatsOf(guardian.page(1));
  EXPECT_TRUE(Rests(guardian.page(1)));
  EXPECT_EQ(BeatsOf(guardian.page(1)), beats);
}

TEST(WatchOutput, EveryByteComesThrough) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
  Wrapped run(Watching("seq 1 50000; exit 5"));
  EXPECT_EQ(run.Wait(), 5);
  EXPECT_EQ(run.out(), Numbers(50000));
}

TEST(WatchOutput, ASlowReaderLosesNothing) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  // Less than a pipe holds: the program ends before the first byte is read.
  Wrapped run(Watching("seq 1 10000; echo over >&2"), ends[1]);
  close(ends[1]);
  EXPECT_TRUE(Within(kPatience, [&] { return run.err() == "over\n"; }));
  std::string seen;
  char bytes[1000];
  for (ssize_t size; (size = read(ends[0], bytes, sizeof(bytes))) > 0;)
    seen.append(bytes, static_cast<size_t>(size));
  close(ends[0]);
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_EQ(seen, Numbers(10000));
}

TEST(WatchOutput, AReaderThatNeverReadsDoesNotHoldUpAStop) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Wrapped run(Watching("exec yes"), ends[1]);
  close(ends[1]);
  const int capacity = fcntl(ends[0], F_GETPIPE_SZ);
  EXPECT_TRUE(Within(kPatience, [&] {
    int held = 0;
    return ioctl(ends[0], FIONREAD, &held) == 0 && held == capacity;
  }));
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 128 + SIGTERM);
  close(ends[0]);
}

TEST(WatchOutput, TheProgramLearnsThatNobodyReads) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  Wrapped run(Watching("exec yes"), ends[1]);
  close(ends[1]);
  EXPECT_EQ(run.Wait(), 128 + SIGPIPE);
}

TEST(WatchOutput, AProcessThatKeepsTheOutputOpenHoldsNothingUp) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
  Wrapped run(Watching("sleep 1000 & echo left $!; exit 6"));
  const Watched left(run.PidAfter("left"));
  EXPECT_EQ(run.Wait(), 6);
  EXPECT_FALSE(left.HasEnded());
}

}  // namespace
}  // namespace procctl::run
