// Signals, and what is left when somebody stops procctl-run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/node/run/wrapped.h"

namespace procctl::run {
namespace {

using testing::HasSubstr;

class Stop : public testing::Test {
 protected:
  void SetUp() override { setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1); }
  void TearDown() override { unsetenv("PROCCTL_HEARTBEAT_SOCKET"); }

  static std::vector<std::string> Script(const std::string& script) {
    return {"--name", "a", "--timeout", "5s", "--quiet", "--", "sh", "-c", script};
  }
};

TEST_F(Stop, SignalsArePassedOnToTheProgram) {
  Wrapped run(
      Script("for s in INT HUP QUIT USR1 USR2; do trap \"echo got $s\" $s; done\n"
             "trap 'echo bye; exit 3' TERM\n"
             "echo ready; while :; do sleep 0.02; done"));
  ASSERT_TRUE(run.Prints("ready"));
  const std::pair<int, const char*> signals[] = {{SIGINT, "got INT"},
                                                 {SIGHUP, "got HUP"},
                                                 {SIGQUIT, "got QUIT"},
                                                 {SIGUSR1, "got USR1"},
                                                 {SIGUSR2, "got USR2"}};
  for (const auto& [number, line] : signals) {
    run.Signal(number);
    EXPECT_TRUE(run.Prints(line)) << line;
  }
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 3);
  EXPECT_THAT(run.out(), HasSubstr("bye"));
}

TEST_F(Stop, AStoppedProgramHearsSIGTERM) {
  Wrapped run(Script("echo pid $$; while :; do sleep 0.02; done"));
  const Watched program(run.PidAfter("pid"));
  program.Signal(SIGSTOP);
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 128 + SIGTERM);
}

TEST_F(Stop, TheProgramDoesNotOutliveAKilledProcctlRun) {
  Wrapped run(Script("trap '' TERM HUP; echo pid $$; while :; do sleep 0.02; done"));
  const Watched program(run.PidAfter("pid"));
  EXPECT_FALSE(program.HasEnded());
  run.Signal(SIGKILL);
  EXPECT_EQ(run.Wait(), -SIGKILL);
  EXPECT_TRUE(Within(kPatience, [&] { return program.HasEnded(); }));
}

TEST_F(Stop, DescendantsEndWithAStoppedProgram) {
  // One hears SIGTERM; one is deaf to it and a grandchild.
  Wrapped run(
      Script("sh -c 'trap \"echo heard; exit\" TERM; echo polite $$; while :; do sleep 0.02; done' "
             "&\n"
             "(sh -c 'trap \"\" TERM; echo deaf $$; while :; do sleep 0.02; done' & wait) &\n"
             "echo main $$; while :; do sleep 0.02; done"));
  const Watched polite(run.PidAfter("polite"));
  const Watched deaf(run.PidAfter("deaf"));
  ASSERT_GT(run.PidAfter("main"), 0);
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 128 + SIGTERM);
  EXPECT_TRUE(polite.HasEnded());
  EXPECT_TRUE(deaf.HasEnded());
  EXPECT_THAT(run.out(), HasSubstr("heard"));
}

TEST_F(Stop, WhatAProgramLeavesBehindByItselfStays) {
  Wrapped run(Script("sleep 1000 > /dev/null 2>&1 & echo left $!; exit 4"));
  EXPECT_EQ(run.Wait(), 4);
  const Watched left(run.PidAfter("left"));
  EXPECT_FALSE(left.HasEnded());
}

TEST_F(Stop, OrphansAreReaped) {
  Wrapped run(Script("(sh -c 'echo orphan $$' &) ; echo pid $$; while :; do sleep 0.02; done"));
  const pid_t orphan = run.PidAfter("orphan");
  ASSERT_GT(orphan, 0);
  ASSERT_GT(run.PidAfter("pid"), 0);
  // Until it is reaped a zombie is shown there.
  EXPECT_TRUE(
      Within(kPatience, [&] { return !Exists("/proc/" + std::to_string(orphan) + "/stat"); }));
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 128 + SIGTERM);
}

// Reads from a terminal until `text` has come.
bool Shows(int terminal, std::string* seen, const std::string& text) {
  return Within(kPatience, [&] {
    pollfd readable = {terminal, POLLIN, 0};
    char bytes[256];
    if (poll(&readable, 1, 10) > 0) {
      const ssize_t size = read(terminal, bytes, sizeof(bytes));
      if (size > 0) seen->append(bytes, static_cast<size_t>(size));
    }
    return seen->find(text) != std::string::npos;
  });
}

TEST_F(Stop, CtrlCReachesTheProgramOnce) {
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    execl(ProcctlRunPath(), "procctl-run", "--name", "a", "--timeout", "5s", "--quiet", "--", "sh",
          "-c",
          "trap 'echo interrupted' INT; trap 'echo end' USR1\n"
          "echo ready; while :; do sleep 0.02; done",
          nullptr);
    _exit(99);
  }
  std::string seen;
  EXPECT_TRUE(Shows(terminal, &seen, "ready")) << seen;
  // Stopped, so that the program has dealt with its signal when procctl-run comes to its own: two
  // that meet would become one.
  kill(pid, SIGSTOP);
  EXPECT_EQ(waitpid(pid, nullptr, WUNTRACED), pid);
  EXPECT_EQ(write(terminal, "\x03", 1), 1);
  EXPECT_TRUE(Shows(terminal, &seen, "interrupted")) << seen;
  kill(pid, SIGCONT);
  // Passed on in the order of their numbers: a second SIGINT would have come before this one.
  kill(pid, SIGUSR1);
  EXPECT_TRUE(Shows(terminal, &seen, "end")) << seen;
  EXPECT_EQ(seen.find("interrupted"), seen.rfind("interrupted")) << seen;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  close(terminal);
}

}  // namespace
}  // namespace procctl::run
