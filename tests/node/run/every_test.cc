// procctl-run --every: one run after the other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/node/heartbeat/fake_guardian.h"
#include "tests/node/run/wrapped.h"

namespace procctl::run {
namespace {

using heartbeat::FakeGuardian;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Every(const std::string& script) {
  return {"--every", "1", "--", "sh", "-c", script};
}

ssize_t Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// Of a program that fails: that its run is over is told.
bool IsInPause(const Wrapped& run) {
  return Within(kPatience,
                [&] { return run.err().find("; starts again in ") != std::string::npos; });
}

TEST(Every, StartsAgainAfterTheEndAndNeverOverlaps) {
  // Each run takes longer than the pause; an overlapping one would find the folder of the other.
  Folder folder;
  const std::string lock = folder / "lock";
  Wrapped run(Every("mkdir " + lock + " || echo overlap; sleep 1.2; rmdir " + lock + "; echo run"));
  EXPECT_TRUE(Within(kPatience, [&] { return Lines(run.out()) >= 3; })) << run.out();
  EXPECT_THAT(run.out(), Not(HasSubstr("overlap")));
  EXPECT_EQ(run.err(), "") << "what goes well needs no word";
  run.Signal(SIGTERM);
  EXPECT_NE(run.Wait(), -1000);
  std::filesystem::remove(lock);
}

TEST(Every, ThePauseIsAsLongAsAsked) {
  Wrapped run(Every("date +%s.%N"));
  ASSERT_TRUE(Within(kPatience, [&] { return Lines(run.out()) >= 2; }));
  const std::string out = run.out();
  EXPECT_GE(std::stod(out.substr(out.find('\n') + 1)) - std::stod(out), 1.0);
}

TEST(Every, AStopInThePauseEndsItAtOnce) {
  Wrapped run({"--every", "1h", "--", "sh", "-c", "echo once; exit 3"});
  ASSERT_TRUE(IsInPause(run));
  run.Signal(SIGUSR1);  // for a program, and there is none
  run.Signal(SIGHUP);
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_EQ(run.out(), "once\n");
}

TEST(Every, AReloadMeansNothingInThePauseAndTheNextRunComes) {
  Wrapped run(Every("echo run"));
  ASSERT_TRUE(run.Prints("run\n"));
  const ssize_t before = Lines(run.out());
  run.Signal(SIGHUP);
  EXPECT_TRUE(Within(kPatience, [&] { return Lines(run.out()) >= before + 2; }));
}

TEST(Every, AStopInThePauseLeavesNothingOfEarlierRuns) {
  Wrapped run({"--every", "1h", "--", "sh", "-c", "sleep 1000 & echo left $!; exit 3"});
  const pid_t left = run.PidAfter("left");
  ASSERT_GT(left, 0);
  const Watched sleeper(left);
  ASSERT_TRUE(IsInPause(run));
  EXPECT_FALSE(sleeper.HasEnded());
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_TRUE(Within(kPatience, [&] { return sleeper.HasEnded(); }));
}

TEST(Every, ThatNobodyGuardsIsSaidOnceAndNotInEachRun) {
  // No guardian at all.
  ASSERT_EQ(setenv("PROCCTL_HEARTBEAT_SOCKET", "/nonexistent/socket", 1), 0);
  Wrapped run({"--name", "job", "--timeout", "5s", "--every", "1", "--", "echo", "run"});
  EXPECT_TRUE(Within(kPatience, [&] { return Lines(run.out()) >= 3; }));
  EXPECT_EQ(Lines(run.err()), 1) << run.err();
  EXPECT_THAT(run.err(), HasSubstr("not guarded yet"));
  ASSERT_EQ(unsetenv("PROCCTL_HEARTBEAT_SOCKET"), 0);
}

TEST(Every, AStopDuringARunReachesItAndNoOtherRunFollows) {
  Folder folder;
  Wrapped run(Every("echo begin; trap 'echo told; exit 7' TERM; while :; do sleep 0.02; done"));
  ASSERT_TRUE(run.Prints("begin\n"));
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 7);
  EXPECT_EQ(run.out(), "begin\ntold\n");
}

TEST(Every, AnEndThatIsNoSuccessIsTold) {
  Wrapped failing(Every("exit 3"));
  Wrapped killed(Every("kill -9 $$"));
  EXPECT_TRUE(Within(kPatience, [&] { return Lines(failing.err()) >= 2; })) << "and it goes on";
  EXPECT_THAT(failing.err(), HasSubstr("\"sh\" ended with exit code 3 after "));
  EXPECT_THAT(failing.err(), HasSubstr("; starts again in 1s\n"));
  EXPECT_TRUE(Within(kPatience, [&] { return Lines(killed.err()) >= 1; }));
  EXPECT_THAT(killed.err(), HasSubstr("was ended by signal 9"));
}

TEST(Every, OnlyTheFirstRunMustFindItsProgram) {
  Wrapped missing({"--every", "1", "--", "/nonexistent/program"});
  EXPECT_EQ(missing.Wait(), 127);
  EXPECT_THAT(missing.err(), HasSubstr("check its path"));

  Folder folder;
  const std::string program = folder / "program";
  std::ofstream(program) << "#!/bin/sh\necho run\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  Wrapped run({"--every", "1", "--", program});
  ASSERT_TRUE(run.Prints("run\n"));
  std::filesystem::rename(program, program + ".away");
  ASSERT_TRUE(Within(kPatience, [&] {
    return run.err().find("\" starts again in 1s") != std::string::npos;
  })) << run.err();
  EXPECT_THAT(run.err(), HasSubstr("cannot run"));
  const ssize_t before = Lines(run.out());
  std::filesystem::rename(program + ".away", program);
  EXPECT_TRUE(Within(kPatience, [&] { return Lines(run.out()) > before; })) << "it tried again";
  std::filesystem::remove(program);
}

TEST(Every, EachRunIsGuardedForItselfAndThePauseIsNot) {
  const FakeGuardian guardian;
  Wrapped run({"--name", "job", "--timeout", "400ms", "--every", "1", "--", "sleep", "0.3"});
  ASSERT_TRUE(Within(kPatience, [&] { return guardian.slots() >= 2; }));
  EXPECT_NE(guardian.page(1).flags & PROCCTL_PAGE_CLOSED, 0U);
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(2).name), "job");
}

TEST(Every, WithoutANameNobodyIsAsked) {
  const FakeGuardian guardian;
  Wrapped run(Every("echo run"));
  ASSERT_TRUE(Within(kPatience, [&] { return Lines(run.out()) >= 2; }));
  EXPECT_EQ(guardian.slots(), 0);
  EXPECT_EQ(run.err(), "");
}

}  // namespace
}  // namespace procctl::run
