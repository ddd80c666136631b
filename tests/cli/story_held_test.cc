#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/kill_events.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using testing::KillEvents;
using ::testing::Not;
using testing::Row;
using namespace std::chrono_literals;

TEST(HeldStory, ByTheBucketThenKilled) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_BUCKET, 5s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 47250ms);
  kill.Verdict(v1::VERDICT_EXITED_ON_TERM, 48s, 750ms);
  EXPECT_EQ(kill.Story(),
            "At 2026-11-22T12:00:00 web-01/encoder (pid 4182) was found hung: its heart encoder "
            "gave no beat for 5.041s, limit 5s.\n"
            "No evidence of the process is recorded.\n"
            "It was withheld for 42.25s, from 12:00:05 on, by the brake \"bucket\": the node's "
            "token bucket granted no kill at that time.\n"
            "SIGTERM was sent at 12:00:47.\n"
            "It ended on SIGTERM, 0.75s after the first signal.\n"
            "The slot was cleared; a program that registers again gets a new one.\n");
}

TEST(HeldStory, ByTheBucketStill) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_BUCKET, 5s);
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_HELD, 4182);
  EXPECT_THAT(kill.Story(),
              HasSubstr("It is withheld since 12:00:05 by the brake \"bucket\": the node's token "
                        "bucket granted no kill at that time.\nIt is signalled as soon as the "
                        "bucket grants a kill, unless it beats again before.\n"));
}

TEST(HeldStory, ByACommonCauseThenRecovered) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_COMMON_CAUSE, 0s);
  kill.Verdict(v1::VERDICT_RECOVERED, 30s);
  EXPECT_THAT(
      kill.Story(),
      HasSubstr(
          "It was withheld for 30s, from 12:00:00 on, by the brake \"common cause\": too many "
          "slots of the node had gone silent together, which speaks for a sick host.\n"
          "The kill was withdrawn before SIGTERM (recovered). Nobody was signalled.\n"));
}

TEST(HeldStory, ByAnOperatorNamesOwnerReasonAndEnd) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  v1::Event& placed = kill.Add(v1::EVENT_KIND_HOLD_PLACED, -60s);
  placed.set_kill(0);
  placed.set_issuer("operator/alice");
  placed.set_reason("debugging");
  placed.mutable_hold_until()->set_seconds(testing::kNoon + 1740);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_OPERATOR, 1s);
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_HELD, 4182);
  EXPECT_THAT(kill.Story(),
              HasSubstr("It is withheld since 12:00:01 by a hold of operator/alice until "
                        "2026-11-22T12:29:00 (\"debugging\").\nIt is signalled as soon as the hold "
                        "ends, unless it beats again before.\n"));
}

TEST(HeldStory, ByAnOperatorWhoIsNotRecorded) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Held(v1::HELD_BY_OPERATOR, 1s);
  EXPECT_THAT(kill.Story(), HasSubstr("by an operator's hold.\n"));
}

// Each stretch has its own reason and its own length.
TEST(HeldStory, OneReasonAfterAnother) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_TRACER, 1s).set_message("traced by pid 99");
  kill.Held(v1::HELD_BY_FREEZER, 3s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 10s);
  EXPECT_THAT(kill.Story(),
              HasSubstr("It was withheld for 2s, from 12:00:01 on, by a debugger that was attached "
                        "(tracer). The guardian's word: \"traced by pid 99\".\n"
                        "It was withheld for 7s, from 12:00:03 on, by its frozen cgroup "
                        "(freezer).\n"));
}

TEST(HeldStory, BetweenTheSignals) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 1s);
  kill.Held(v1::HELD_BY_OPERATOR, 6s).set_term_sent(true);
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_HELD, 4182);
  EXPECT_THAT(
      kill.Story(),
      AllOf(HasSubstr("SIGTERM was sent at 12:00:01.\nSIGKILL is withheld since 12:00:06 by"),
            HasSubstr("SIGKILL follows as soon as the hold ends.\n"),
            Not(HasSubstr("beats again"))));
}

TEST(HeldStory, ByPolicyKernelAndWhatIsNotKnown) {
  const struct {
    v1::HeldBy by;
    const char* text;
  } cases[] = {{v1::HELD_BY_POLICY, "by the node's policy. The guardian's word: \"m\".\n"},
               {v1::HELD_BY_KERNEL, "by the kernel, which refused the signal."},
               {v1::HELD_BY_OBSERVE, "by mode observe."},
               {static_cast<v1::HeldBy>(99), "something this program does not know (99)"}};
  for (const auto& c : cases) {
    KillEvents kill(v1::CAUSE_HEARTBEAT);
    kill.Held(c.by, 1s).set_message("m");
    EXPECT_THAT(kill.Story(), HasSubstr(c.text));
  }
}

// An order's answer is no end of the kill that it found withheld.
TEST(HeldStory, AnOrderThatFoundItWithheld) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Held(v1::HELD_BY_BUCKET, 1s);
  v1::Event& order = kill.Verdict(v1::VERDICT_HELD, 2s);
  order.set_order_id("r1/0");
  order.set_issuer("operator/alice");
  order.set_cause(v1::CAUSE_OPERATOR);
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_HELD, 4182);
  EXPECT_THAT(kill.Story(),
              AllOf(HasSubstr("It is withheld since 12:00:01 by the brake \"bucket\""),
                    HasSubstr("operator/alice ordered it too (no reason was given); the answer was "
                              "that it is held.\n"),
                    Not(HasSubstr("The order was not carried out"))));
}

TEST(HeldStory, AnOrderThatWasNotCarriedOut) {
  KillEvents kill(v1::CAUSE_OPERATOR);
  kill.subject().set_order_id("r1/0");
  kill.subject().set_issuer("operator/alice");
  kill.Verdict(v1::VERDICT_HELD, 0s).set_held_by(v1::HELD_BY_TRACER);
  EXPECT_THAT(kill.Story(),
              HasSubstr("The order was not carried out: its target was withheld by a debugger that "
                        "was attached (tracer). Nobody was signalled.\n"));
}

TEST(HeldStory, OfWhatIsOnlyObserved) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_WOULD_KILL, 0s).set_message("shadow timeout 5s");
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 4182);
  EXPECT_EQ(kill.Story(),
            "At 2026-11-22T12:00:00 web-01/encoder (pid 4182) was found hung: its heart encoder "
            "gave no beat for 5.041s, limit 5s.\n"
            "Nobody was signalled: it was only reported that it would have been stopped. The "
            "guardian's word: \"shadow timeout 5s\".\n"
            "Now it is alive.\n");
}

}  // namespace
}  // namespace procctl::cli
