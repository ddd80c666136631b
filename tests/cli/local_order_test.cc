#include "cli/local_order.h"

#include <gtest/gtest.h>

#include "proto/support/time_convert.h"

namespace procctl::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

v1::LocalReply Told(v1::EventKind kind, bool last) {
  v1::LocalReply reply;
  reply.set_last(last);
  reply.mutable_event()->set_kind(kind);
  reply.mutable_event()->set_message("it happened");
  return reply;
}

TEST(LocalOrder, AKillNamesExactlyWhatWasPlanned) {
  v1::KillSlotsRequest request;
  request.set_request_id("r");
  request.set_reason("stuck");
  *request.mutable_grace() = ToProto(nanoseconds(7s));
  for (int pid : {11, 12}) {
    v1::KillTarget* target = request.add_targets();
    target->set_slot("s" + std::to_string(pid));
    target->mutable_incarnation()->set_pid(pid);
  }
  const auto orders = OrdersOf(request, 100s);
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(OrderIdOf(orders[0]), "r/0");
  EXPECT_EQ(OrderIdOf(orders[1]), "r/1");
  const v1::Order& order = orders[1].kill();
  EXPECT_EQ(order.slot(), "s12");
  EXPECT_EQ(order.incarnation().pid(), 12);
  EXPECT_EQ(order.reason(), "stuck");
  EXPECT_EQ(FromProto(order.grace()), 7s);
  EXPECT_EQ(FromProto(order.time_to_live()), 30s);
  EXPECT_EQ(FromProto(orders[1].expires_at()), 130s);
}

TEST(LocalOrder, AHoldAndAProgramsOrderCarryAllOfTheirs) {
  v1::HoldSlotsRequest hold;
  hold.set_request_id("h");
  hold.add_targets()->mutable_incarnation()->set_pid(11);
  *hold.mutable_hold_for() = ToProto(nanoseconds(60s));
  *hold.mutable_time_to_live() = ToProto(nanoseconds(20s));
  const auto holds = OrdersOf(hold, 100s);
  EXPECT_EQ(OrderIdOf(holds.at(0)), "h/0");
  EXPECT_FALSE(holds[0].hold().release());
  EXPECT_EQ(FromProto(holds[0].hold().hold_for()), 60s);
  EXPECT_EQ(FromProto(holds[0].expires_at()), 120s);
  hold.set_release(true);
  EXPECT_TRUE(OrdersOf(hold, 0s).at(0).hold().release());

  v1::ControlProgramsRequest control;
  control.set_request_id("c");
  control.set_action(v1::PROGRAM_ACTION_RESTART);
  control.add_targets()->set_program("web");
  control.add_targets()->mutable_incarnation()->set_pid(4);
  const auto orders = OrdersOf(control, 0s);
  EXPECT_EQ(OrderIdOf(orders.at(1)), "c/1");
  EXPECT_EQ(orders[0].program().action(), v1::PROGRAM_ACTION_RESTART);
  EXPECT_EQ(orders[0].program().program(), "web");
  EXPECT_FALSE(orders[0].program().has_incarnation()) << "any life of it";
  EXPECT_EQ(orders[1].program().incarnation().pid(), 4);
}

TEST(LocalOrder, TheStepsOfAKillAreItsProgress) {
  EXPECT_EQ(ProgressOf(0, "r/0", Told(v1::EVENT_KIND_HELD, false)).phase(),
            v1::KILL_PHASE_DISPATCHED);
  const auto term = ProgressOf(3, "r/3", Told(v1::EVENT_KIND_TERM_SENT, false));
  EXPECT_EQ(term.phase(), v1::KILL_PHASE_TERM_SENT);
  EXPECT_EQ(term.target(), 3);
  EXPECT_EQ(term.order_id(), "r/3");
  EXPECT_FALSE(term.done());
  EXPECT_FALSE(term.kill_sent());
  EXPECT_TRUE(ProgressOf(0, "r/0", Told(v1::EVENT_KIND_KILL_SENT, false)).kill_sent());
  v1::LocalReply end = Told(v1::EVENT_KIND_VERDICT, true);
  end.mutable_event()->set_verdict(v1::VERDICT_REFUSED);
  end.mutable_event()->set_refusal(v1::REFUSAL_PROTECTED);
  *end.mutable_event()->mutable_took() = ToProto(nanoseconds(2s));
  const auto done = ProgressOf(0, "r/0", end);
  EXPECT_EQ(done.phase(), v1::KILL_PHASE_DONE);
  EXPECT_TRUE(done.done());
  EXPECT_EQ(done.verdict(), v1::VERDICT_REFUSED);
  EXPECT_EQ(done.refusal(), v1::REFUSAL_PROTECTED);
  EXPECT_EQ(FromProto(done.took()), 2s);
  EXPECT_EQ(done.message(), "it happened");
}

TEST(LocalOrder, AnErrorLeavesOpenWhatBecameOfIt) {
  v1::LocalReply reply;
  reply.set_last(true);
  reply.mutable_error()->set_message("it was taken before");
  const auto progress = ProgressOf(0, "r/0", reply);
  EXPECT_EQ(progress.phase(), v1::KILL_PHASE_UNRESOLVED);
  EXPECT_TRUE(progress.done());
  EXPECT_EQ(progress.message(), "it was taken before");
  const auto outcome = ProgramOutcomeOf("c/0", reply);
  EXPECT_FALSE(outcome.done());
  EXPECT_EQ(outcome.verdict(), v1::VERDICT_UNSPECIFIED);
  EXPECT_EQ(outcome.message(), "it was taken before");
}

TEST(LocalOrder, AnEventThatSaysItWasDoneIsDone) {
  v1::LocalReply held = Told(v1::EVENT_KIND_HOLD_PLACED, true);
  held.mutable_event()->mutable_hold_until()->set_seconds(77);
  const auto hold = HoldOutcomeOf("h/0", held);
  EXPECT_TRUE(hold.done());
  EXPECT_EQ(hold.until().seconds(), 77);
  EXPECT_TRUE(HoldOutcomeOf("h/0", Told(v1::EVENT_KIND_HOLD_ENDED, true)).done());
  EXPECT_TRUE(ProgramOutcomeOf("c/0", Told(v1::EVENT_KIND_PROGRAM_ORDERED, true)).done());
  EXPECT_TRUE(ProgramOutcomeOf("c/0", Told(v1::EVENT_KIND_CONFIG_APPLIED, true)).done());
  v1::LocalReply verdict = Told(v1::EVENT_KIND_VERDICT, true);
  verdict.mutable_event()->set_verdict(v1::VERDICT_EXPIRED);
  EXPECT_FALSE(ProgramOutcomeOf("c/0", verdict).done());
  EXPECT_EQ(ProgramOutcomeOf("c/0", verdict).verdict(), v1::VERDICT_EXPIRED);
  const auto refused = ProgramOutcomeOf("c/0", Told(v1::EVENT_KIND_CONFIG_REFUSED, true));
  EXPECT_FALSE(refused.done());
  EXPECT_EQ(refused.verdict(), v1::VERDICT_REFUSED);
}

TEST(LocalOrder, TheSummaryCountsEveryTargetOnce) {
  std::vector<v1::TargetProgress> outcomes(6);
  outcomes[0].set_verdict(v1::VERDICT_EXITED_ON_TERM);
  outcomes[1].set_verdict(v1::VERDICT_KILLED);
  outcomes[2].set_verdict(v1::VERDICT_GONE_ALREADY);
  outcomes[3].set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
  outcomes[4].set_verdict(v1::VERDICT_UNKILLABLE);
  const v1::KillSummary summary = SummaryOf(outcomes);
  EXPECT_EQ(summary.stopped(), 2);
  EXPECT_EQ(summary.already_gone(), 1);
  EXPECT_EQ(summary.not_the_same(), 1);
  EXPECT_EQ(summary.failed(), 2);
}

}  // namespace
}  // namespace procctl::cli
