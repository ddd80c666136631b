#include "cli/death_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;

v1::Event Ended(v1::Cause cause, int exit_code, int signal) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_PROGRAM_ENDED);
  event.mutable_death()->set_cause(cause);
  event.mutable_death()->set_status_known(true);
  event.mutable_death()->set_exit_code(exit_code);
  event.mutable_death()->set_signal(signal);
  return event;
}

TEST(DeathWords, EveryCauseIsToldApart) {
  v1::Event ordered = Ended(v1::CAUSE_OPERATOR, 0, SIGTERM);
  ordered.set_issuer("operator/alice");
  ordered.set_reason("new release");
  v1::Event unseen = Ended(v1::CAUSE_UNKNOWN, 0, 0);
  unseen.mutable_death()->set_status_known(false);
  const struct {
    v1::Event event;
    const char* last;
    const char* how;
    const char* cause;
    const char* end;
  } cases[] = {
      {Ended(v1::CAUSE_EXIT, 0, 0), "exit 0", "exit 0", "ended by itself",
       "ended by itself with exit code 0"},
      {Ended(v1::CAUSE_EXIT, 3, 0), "exit 3", "exit 3", "ended by itself",
       "ended by itself with exit code 3"},
      {Ended(v1::CAUSE_SIGNAL, 0, SIGSEGV), "SIGSEGV", "SIGSEGV", "crashed", "crashed on SIGSEGV"},
      {Ended(v1::CAUSE_SIGNAL, 0, SIGKILL), "SIGKILL", "SIGKILL", "killed by a signal from outside",
       "was killed by a signal from outside and ended on SIGKILL"},
      {Ended(v1::CAUSE_OOM, 0, SIGKILL), "OOM", "SIGKILL", "out of memory",
       "ended on SIGKILL because memory ran out"},
      {Ended(v1::CAUSE_HEARTBEAT, 0, SIGTERM), "hung", "SIGTERM", "hung",
       "was stopped because it hung, and ended on SIGTERM"},
      {Ended(v1::CAUSE_SELF_FAILED, 1, 0), "gave up", "exit 1", "said itself that it failed",
       "said itself that it failed, was stopped and ended with exit code 1"},
      {ordered, "operator", "SIGTERM", "operator/alice, \"new release\"",
       "was stopped by order of operator/alice (reason: \"new release\"), and ended on SIGTERM"},
      {Ended(v1::CAUSE_LIMIT, 0, SIGKILL), "limit", "SIGKILL", "passed a limit",
       "was stopped because it passed a limit, and ended on SIGKILL"},
      {Ended(v1::CAUSE_CONFIG, 0, 0), "config", "exit 0", "configuration changed",
       "was stopped because its configuration changed, and ended with exit code 0"},
      {Ended(v1::CAUSE_STOP, 0, 0), "node stop", "exit 0",
       "removed, or all programs of its node were stopped",
       "was stopped because it was removed or all programs of its node were stopped, and ended "
       "with exit code 0"},
      {Ended(v1::CAUSE_SCHEDULE, 0, 0), "schedule", "exit 0", "schedule or age limit",
       "was stopped by its schedule or its age limit, and ended with exit code 0"},
      {Ended(v1::CAUSE_START_FAILED, 0, 0), "not started", "not started", "could not be started",
       "could not be started"},
      {unseen, "unknown", "unknown", "unknown: no guardian saw it",
       "ended while no guardian could see how"}};
  for (const auto& c : cases) {
    EXPECT_EQ(LastText(c.event.death()), c.last);
    EXPECT_EQ(HowText(c.event.death()), c.how);
    EXPECT_EQ(CauseText(c.event), c.cause);
    EXPECT_EQ(EndText(c.event), c.end);
  }
}

TEST(DeathWords, ACoreAndASignalWithoutAName) {
  v1::Event event = Ended(v1::CAUSE_SIGNAL, 0, SIGABRT);
  event.mutable_death()->set_core_dumped(true);
  EXPECT_EQ(HowText(event.death()), "SIGABRT, core dumped");
  EXPECT_THAT(EndText(event), HasSubstr("(core dumped)"));
  EXPECT_EQ(SignalText(1000), "signal 1000");
}

TEST(DeathWords, AnOperatorWithoutANameAndACauseOfANewerNode) {
  EXPECT_EQ(CauseText(Ended(v1::CAUSE_OPERATOR, 0, 0)), "operator");
  const v1::Event newer = Ended(static_cast<v1::Cause>(77), 4, 0);
  EXPECT_EQ(CauseText(newer), "77");
  EXPECT_EQ(LastText(newer.death()), "exit 4");
  EXPECT_EQ(EndText(newer), "ended with exit code 4");
}

TEST(DeathWords, AnIssuerCannotForgeAColumn) {
  v1::Event event = Ended(v1::CAUSE_OPERATOR, 0, 0);
  event.set_issuer("a\x1b[2J b");
  event.set_reason("x\" by root");
  EXPECT_EQ(CauseText(event), "a\\x1b[2J\\x20b, \"x' by root\"");
}

}  // namespace
}  // namespace procctl::cli
