// Programs that know nothing of procctl's C interface: a shell script behind procctl-run, and one
// in Python.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "proto/support/unique_fd.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {
namespace {

int ExitCode(const std::optional<int>& status) {
  return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

class Unchanged : public ::testing::Test {
 protected:
  Unchanged() : fleet_({"n1"}) {
    fleet_.StartController();
    node_ = &fleet_.StartNode("n1");
    fleet_.AwaitConnected(1);
  }

  // Well until `file` exists.
  Child& StartScript(const std::string& timeout, const std::string& file,
                     const std::string& script) {
    return fleet_.StartProgram(
        *node_, {"procctl-run", "--name", "script", "--timeout", timeout, "--check-every", "100ms",
                 "--check", "test ! -e " + file + " || { echo queue is stuck; exit 3; }", "--",
                 "/bin/sh", "-c", script});
  }

  Fleet fleet_;
  Node* node_ = nullptr;
};

TEST_F(Unchanged, AScriptWhoseCheckFailsIsStoppedAndItsRowSaysWhatTheCheckSaid) {
  const std::string ill = fleet_.folder() + "/ill";
  Child& script = StartScript("4s", ill, "echo ready; while :; do sleep 0.1; done");
  EXPECT_TRUE(Throughout(6s, [&] { return script.Running(); })) << "its checks pass";
  WriteFile(ill, "");
  EXPECT_TRUE(Eventually(3s, [&] {
    return fleet_.AwaitSlot(script.pid()).slot().note() == "check exited 3: queue is stuck";
  }));
  EXPECT_EQ(ExitCode(script.WaitExit(15s)), 128 + SIGTERM) << "the script's own end";
  const v1::Event verdict =
      fleet_.AwaitEvent("verdict", 15s, Is(v1::EVENT_KIND_VERDICT, script.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(verdict.cause(), v1::CAUSE_HEARTBEAT);
}

TEST_F(Unchanged, ADeafScriptDiesWithTheProcctlRunThatTheLadderKills) {
  const std::string ill = fleet_.folder() + "/ill";
  Child& script = StartScript("1s", ill,
                              "trap '' TERM; echo ready; echo $$ > " + fleet_.folder() +
                                  "/pid; while :; do sleep 0.1; done");
  const auto pid_text = [&] { return ReadFile(fleet_.folder() + "/pid"); };
  Await(10s, "the script's pid", [&] { return pid_text().ends_with('\n'); });
  // A pidfd, because a machine whose init reaps nobody shows the dead for ever.
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, std::atoi(pid_text().c_str()), 0)));
  ASSERT_TRUE(pidfd.ok());
  const auto has_ended = [&] {
    pollfd ended = {pidfd.get(), POLLIN, 0};
    return poll(&ended, 1, 0) == 1;
  };
  EXPECT_FALSE(has_ended());
  WriteFile(ill, "");
  EXPECT_TRUE(script.WaitExit(25s).has_value());
  const v1::Event verdict =
      fleet_.AwaitEvent("verdict", 15s, Is(v1::EVENT_KIND_VERDICT, script.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_KILLED);
  EXPECT_TRUE(Eventually(10s, has_ended));
}

TEST_F(Unchanged, APythonScriptThatStopsBeatingIsStopped) {
#ifdef PROCCTL_SANITIZED
  GTEST_SKIP() << "Python cannot load a library with sanitizers in it";
#endif
  if (std::system("python3 -c 'import ctypes' > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "no python3 with ctypes here: deploy/install-deps.sh";
  Launch launch;
  launch.argv = {"/usr/bin/env", "python3", "-c",
                 "import procctl, signal, sys, time\n"
                 "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
                 "with procctl.Heart('importer', timeout=1) as heart:\n"
                 "    print('ready' if heart.guarded else heart.error, flush=True)\n"
                 "    for row in range(30):\n"
                 "        heart.progress()\n"
                 "        heart.note(f'row {row}')\n"
                 "        time.sleep(0.1)\n"
                 "    time.sleep(1000)\n"};
  launch.out = fleet_.folder() + "/python.out";
  launch.err = fleet_.folder() + "/python.err";
  launch.env = {{"PROCCTL_HEARTBEAT_SOCKET", node_->socket()},
                {"PROCCTL_HEARTBEAT_LIBRARY", PROCCTL_HEARTBEAT_SO},
                {"PYTHONPATH", PROCCTL_PYTHON_DIR},
                {"PYTHONDONTWRITEBYTECODE", "1"}};
  Child script(std::move(launch));
  script.AwaitLine("ready", 20s);
  EXPECT_TRUE(Throughout(2s, [&] { return script.Running(); })) << "as long as it beats, it lives";
  EXPECT_EQ(ExitCode(script.WaitExit(20s)), 3) << script.Err();
  const v1::Event verdict =
      fleet_.AwaitEvent("verdict", 15s, Is(v1::EVENT_KIND_VERDICT, script.pid()));
  EXPECT_EQ(verdict.name(), "importer");
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
}

}  // namespace
}  // namespace procctl::e2e
