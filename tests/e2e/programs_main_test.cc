// A program that leaves its work to another process, and says so (MAINPID).
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

class MainPid : public Programs {
 protected:
  // Returns the pid of its main process, once that is the second one.
  pid_t StartDaemon(const std::string& arguments) {
    options_.programs = "  - name: web\n    command: [" + Program("forker") + arguments +
                        "]\n    door: notify\n    watchdog: 3s\n";
    fleet_.StartController();
    fleet_.StartNode("n1", options_);
    fleet_.AwaitConnected(1, 60s);
    const v1::Event change = fleet_.AwaitEvent("the change of the main process", 60s,
                                               Is(v1::EVENT_KIND_PROGRAM_MAIN_CHANGED));
    const pid_t worker = change.incarnation().pid();
    const v1::Program row = AwaitState("web", v1::PROGRAM_STATE_RUNNING);
    EXPECT_EQ(row.incarnation().pid(), worker);
    return worker;
  }
  pid_t First() { return Of(v1::EVENT_KIND_PROGRAM_STARTED).front().incarnation().pid(); }

  NodeOptions options_;
};

TEST_F(MainPid, ADaemonIsFollowedToTheProcessThatWorks) {
  const pid_t worker = StartDaemon(", --daemon, '1'");
  EXPECT_NE(worker, First());
  // The row of the table is the worker's.
  EXPECT_EQ(fleet_.AwaitSlot(worker, 60s).slot().label(), "web");
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_ENDED), 0U) << "the end of the old one is none";

  // Killed and taken up, again and again, it is the same one; nothing is started.
  for (int i = 0; i < 3; ++i) {
    fleet_.node("n1").guardian().Signal(SIGKILL);
    ASSERT_TRUE(fleet_.node("n1").guardian().WaitExit(60s));
    fleet_.StartNode("n1", options_);
    fleet_.AwaitConnected(1, 60s);
    EXPECT_EQ(AwaitState("web", v1::PROGRAM_STATE_RUNNING).incarnation().pid(), worker);
  }
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_STARTED), 1U);
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_ENDED), 0U);

  // It hangs: the ladder is for it, and another life begins, which is followed too.
  ASSERT_EQ(kill(worker, SIGUSR1), 0);
  const v1::Event end = fleet_.AwaitEvent("its end", 60s, Is(v1::EVENT_KIND_PROGRAM_ENDED, worker));
  EXPECT_EQ(end.cause(), v1::CAUSE_HEARTBEAT);
  const pid_t next = AwaitNewPid("web", worker);
  ExpectOk(fleet_.Cli({"stop", "n1/web", "--reason", "the test is over"}));
  (void)AwaitState("web", v1::PROGRAM_STATE_STOPPED);
  EXPECT_NE(kill(next, 0), 0);
}

}  // namespace
}  // namespace procctl::e2e
