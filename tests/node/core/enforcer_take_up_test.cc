// A guardian is killed; the next one goes on with what was committed and what the board holds.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/node/core/fake_host.h"

namespace procctl::node {
namespace {

const std::vector<int> kNobody;
const std::vector<int> kTerm = {SIGTERM, SIGCONT};

TEST(TakeUp, SilenceGoesOnWhereItWas) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.Pass(4s);
  host.Crash(30s);
  host.Pass(900ms);
  EXPECT_EQ(host.signals(7), kNobody) << "no silence is invented for the time nobody looked";
  host.Pass(400ms);
  EXPECT_EQ(host.signals(7), kTerm) << "and none is forgiven";
}

TEST(TakeUp, NobodyGetsASecondTermAndTheGraceBeginsAnew) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.Pass(5200ms);
  ASSERT_EQ(host.signals(7), kTerm);
  host.Pass(3s);
  host.Crash(10s);
  host.Pass(4900ms);
  EXPECT_EQ(host.signals(7), kTerm);
  host.Pass(300ms);
  EXPECT_EQ(host.signals(7).back(), SIGKILL);
  EXPECT_EQ(host.Events(v1::EVENT_KIND_TERM_SENT).size(), 1u);
}

TEST(TakeUp, AnOrderUnderWayEndsWithItsVerdict) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.enforcer().Execute(host.slot("encoder"), host.Order("k1"), 5s);
  host.Commit();
  host.Crash();
  host.Pass(1s);
  host.End(7);
  EXPECT_EQ(host.signals(7), kTerm);
  const v1::Event verdict = host.The(v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(verdict.order_id(), "k1");
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
}

TEST(TakeUp, AProcessThatEndedMeanwhileHasItsVerdict) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.Pass(5200ms);
  host.process(7).facts.alive = false;
  host.Crash();
  EXPECT_EQ(host.The(v1::EVENT_KIND_VERDICT).verdict(), v1::VERDICT_EXITED_ON_TERM);
}

TEST(TakeUp, HoldsGoOnUntilTheirEnd) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.enforcer().PlaceHold(host.slot("encoder"), host.Order("h1"), 60s, {});
  host.Commit();
  host.Crash();
  host.Pass(58s);
  EXPECT_EQ(host.signals(7), kNobody);
  host.Pass(2s);
  EXPECT_EQ(host.signals(7), kTerm);
}

TEST(TakeUp, ASignalThatWasAboutToBeSentCountsAsSent) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.Pass(5200ms);
  ASSERT_EQ(host.signals(7), kTerm);
  v1::KillRecord record;
  const Process& process = *host.guarded(7);
  record = RecordOf(*process.kill, process.identity(), process.uid, /*intent=*/true);
  record.set_stage(v1::KillRecord::STAGE_DUE);
  record.clear_first_signal();
  const Kill kill = KillFrom(record, host.now);
  EXPECT_EQ(kill.ladder.stage(), Ladder::Stage::kTermSent);
  record.set_stage(v1::KillRecord::STAGE_TERM_SENT);
  EXPECT_EQ(KillFrom(record, host.now).ladder.stage(), Ladder::Stage::kKillSent);
  record.set_intent(false);
  EXPECT_EQ(KillFrom(record, host.now).ladder.stage(), Ladder::Stage::kTermSent);
}

TEST(TakeUp, LabelsStayWhatTheyWere) {
  FakeHost host;
  host.Register(7, "w", 5s);
  host.Register(8, "w", 5s);
  host.Register(9, "w", 5s);
  host.End(7);
  host.Crash();
  EXPECT_EQ(host.slot("w.2").process->identity().pid, 8);
  EXPECT_EQ(host.slot("w.3").process->identity().pid, 9);
  EXPECT_EQ(host.Register(10, "w", 5s).label, "w");
}

}  // namespace
}  // namespace procctl::node
