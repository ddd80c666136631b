#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/render.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

v1::KillTarget Target(const std::string& node, const std::string& slot, int pid) {
  v1::KillTarget target;
  target.set_node(node);
  target.set_slot(slot);
  target.mutable_incarnation()->set_pid(pid);
  return target;
}

v1::TargetProgress Step(int target, v1::KillPhase phase, int milliseconds = 0) {
  v1::TargetProgress progress;
  progress.set_target(target);
  progress.set_phase(phase);
  progress.mutable_took()->set_seconds(milliseconds / 1000);
  progress.mutable_took()->set_nanos(milliseconds % 1000 * 1'000'000);
  return progress;
}

v1::TargetProgress Done(int target, v1::Verdict verdict, int milliseconds = 0) {
  v1::TargetProgress progress = Step(target, v1::KILL_PHASE_DONE, milliseconds);
  progress.set_done(true);
  progress.set_verdict(verdict);
  return progress;
}

TEST(KillStory, OneTargetIsToldStepByStepOnOneLine) {
  KillStory story({Target("web-01", "encoder", 4182)}, 0s);
  EXPECT_EQ(story.Tell(Step(0, v1::KILL_PHASE_DISPATCHED)), "");
  EXPECT_EQ(story.Tell(Step(0, v1::KILL_PHASE_TERM_SENT)), "web-01/encoder[4182]  SIGTERM ... ");
  EXPECT_EQ(story.Tell(Step(0, v1::KILL_PHASE_KILL_SENT, 5000)), "SIGKILL after 5s grace, ");
  EXPECT_EQ(story.Tell(Done(0, v1::VERDICT_KILLED, 5100)), "gone in 5.1s\n");
  EXPECT_TRUE(story.AllDone());
}

TEST(KillStory, AnExitWithinTheGraceSaysHowLongItTook) {
  KillStory story({Target("web-01", "encoder", 4182)}, 0s);
  EXPECT_EQ(story.Tell(Step(0, v1::KILL_PHASE_TERM_SENT)) +
                story.Tell(Done(0, v1::VERDICT_EXITED_ON_TERM, 800)),
            "web-01/encoder[4182]  SIGTERM ... exited in 0.8s\n");
}

// A fast exit may leave no time for a step of its own.
TEST(KillStory, TheVerdictAloneTellsTheWholeLine) {
  KillStory story({Target("web-01", "encoder", 4182)}, 3s);
  EXPECT_EQ(story.Tell(Done(0, v1::VERDICT_KILLED, 3100)),
            "web-01/encoder[4182]  SIGTERM ... SIGKILL after 3s grace, gone in 3.1s\n");
}

TEST(KillStory, SeveralTargetsAreToldEachWhenItIsDone) {
  KillStory story({Target("a", "x", 11), Target("b", "y", 12)}, 0s);
  EXPECT_EQ(story.Tell(Step(0, v1::KILL_PHASE_TERM_SENT)), "");
  EXPECT_EQ(story.Tell(Step(1, v1::KILL_PHASE_TERM_SENT)), "");
  EXPECT_EQ(story.Tell(Done(1, v1::VERDICT_EXITED_ON_TERM, 20)),
            "b/y[12]  SIGTERM ... exited in 20ms\n");
  EXPECT_FALSE(story.AllDone());
  EXPECT_EQ(story.Summary(), "1 stopped, 1 under way, 0 failed.\n");
  EXPECT_EQ(story.Tell(Done(0, v1::VERDICT_GONE_ALREADY)),
            "a/x[11]  was gone already, nobody was signalled\n");
  EXPECT_EQ(story.Summary(), "1 stopped, 1 gone already, 0 failed.\n");
}

TEST(KillStory, EveryVerdictSaysWhetherAnybodyWasSignalled) {
  const std::pair<v1::Verdict, const char*> cases[] = {
      {v1::VERDICT_GONE_ALREADY, "nobody was signalled"},
      {v1::VERDICT_IDENTITY_MISMATCH, "no longer the process you saw"},
      {v1::VERDICT_HELD, "withheld: traced"},
      {v1::VERDICT_EXPIRED, "not signalled"},
      {v1::VERDICT_RECOVERED, "beat again"},
      {v1::VERDICT_UNKILLABLE, "still there"},
      {v1::VERDICT_UNKNOWN_AFTER_CRASH, "not known"},
  };
  for (const auto& [verdict, text] : cases) {
    KillStory story({Target("a", "x", 11)}, 0s);
    v1::TargetProgress progress = Done(0, verdict);
    progress.set_message("traced");
    EXPECT_THAT(story.Tell(progress), HasSubstr(text));
  }
}

TEST(KillStory, EveryRefusalSaysWhy) {
  for (int refusal = 0; refusal <= 8; ++refusal) {
    KillStory story({Target("a", "x", 11)}, 0s);
    v1::TargetProgress progress = Done(0, v1::VERDICT_REFUSED);
    progress.set_refusal(static_cast<v1::Refusal>(refusal));
    EXPECT_THAT(story.Tell(progress), Not(HasSubstr("SIGTERM")));
    EXPECT_EQ(story.Summary(), "0 stopped, 1 failed.\n");
  }
}

TEST(KillStory, WithoutAVerdictItSaysWhereToLook) {
  KillStory story({Target("a", "x", 11)}, 0s);
  v1::TargetProgress progress = Step(0, v1::KILL_PHASE_UNRESOLVED);
  progress.set_done(true);
  progress.set_order_id("req/0");
  EXPECT_THAT(story.Tell(progress), HasSubstr("events --filter order=req/0"));
}

TEST(KillStory, AMessageFromTheNetworkCannotActOnTheTerminal) {
  KillStory story({Target("a", "x\x1b[2J y", 11)}, 0s);
  v1::TargetProgress progress = Done(0, v1::VERDICT_HELD);
  progress.set_message("\x1b]0;owned\x07\nfake line");
  const std::string line = story.Tell(progress);
  EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(KillStory, ProgressThatMakesNoSenseIsIgnored) {
  KillStory story({Target("a", "x", 11)}, 0s);
  EXPECT_EQ(story.Tell(Done(1, v1::VERDICT_KILLED)), "");
  EXPECT_EQ(story.Tell(Done(-1, v1::VERDICT_KILLED)), "");
  story.Tell(Done(0, v1::VERDICT_EXITED_ON_TERM, 10));
  EXPECT_EQ(story.Tell(Done(0, v1::VERDICT_KILLED, 99)), "");
  EXPECT_EQ(story.outcomes()[0].verdict(), v1::VERDICT_EXITED_ON_TERM);
}

TEST(KillStory, AnInterruptedLineIsEndedOnce) {
  KillStory story({Target("a", "x", 11)}, 0s);
  story.Tell(Step(0, v1::KILL_PHASE_TERM_SENT));
  EXPECT_EQ(story.Break(), "\n");
  EXPECT_EQ(story.Break(), "");
}

}  // namespace
}  // namespace procctl::cli
