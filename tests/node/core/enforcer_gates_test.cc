// The way to a signal: who gets it, who does not, and what is said about it.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/node/core/fake_host.h"

namespace procctl::node {
namespace {

const std::vector<int> kNobody;
const std::vector<int> kTerm = {SIGTERM, SIGCONT};

TEST(Gates, ASilentHeartIsAskedToStopAndKilledAfterItsGrace) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.Pass(5s);
  EXPECT_EQ(host.signals(7), kNobody);
  host.Pass(200ms);
  EXPECT_EQ(host.signals(7), kTerm);
  host.Pass(5100ms);
  EXPECT_EQ(host.signals(7), (std::vector<int>{SIGTERM, SIGCONT, SIGKILL}));
  host.End(7);
  const v1::Event verdict = host.The(v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_KILLED);
  EXPECT_EQ(verdict.symptom(), v1::SYMPTOM_SILENT);
  for (const v1::EventKind kind : {v1::EVENT_KIND_HUNG, v1::EVENT_KIND_EVIDENCE,
                                   v1::EVENT_KIND_TERM_SENT, v1::EVENT_KIND_KILL_SENT})
    EXPECT_EQ(host.The(kind).kill(), verdict.kill());
  EXPECT_EQ(host.guarded(7), nullptr);
}

TEST(Gates, NobodyIsSignalledBeforeTheEvidenceIsThere) {
  FakeHost host;
  host.deliver_evidence = false;
  host.Register(7, "encoder", 5s);
  host.Pass(7s);
  EXPECT_EQ(host.signals(7), kNobody);
  EXPECT_EQ(host.evidence_asked, 1);
  host.DeliverEvidence();
  EXPECT_EQ(host.signals(7), kTerm) << "it does not wait for the next scan";
}

TEST(Gates, ABeatWhileTheEvidenceIsGatheredIsARecovery) {
  FakeHost host;
  host.deliver_evidence = false;
  host.Register(7, "encoder", 5s);
  host.Pass(5200ms);
  host.Beat("encoder");
  host.DeliverEvidence();
  EXPECT_EQ(host.signals(7), kNobody);
  EXPECT_EQ(host.The(v1::EVENT_KIND_VERDICT).verdict(), v1::VERDICT_RECOVERED);
}

TEST(Gates, EvidenceThatComesToAGuardianThatWasStoppedWaitsForCalmScans) {
  FakeHost host;
  host.deliver_evidence = false;
  host.Register(7, "encoder", 5s);
  host.Pass(5200ms);
  host.now += 30s;
  host.DeliverEvidence();
  EXPECT_EQ(host.signals(7), kNobody);
  host.Sleep(100ms);
  EXPECT_EQ(host.signals(7), kNobody);
  host.Pass(1s);
  EXPECT_EQ(host.signals(7), kTerm);
}

TEST(Gates, TheEvidenceNamesWhichOtherHeartsBeatOn) {
  FakeHost host;
  host.Register(7, "loop", 5s);
  host.Register(7, "net", 5s);
  host.Pass(6s, [&] { host.Beat("net"); });
  const v1::Evidence evidence = host.The(v1::EVENT_KIND_EVIDENCE).evidence();
  EXPECT_EQ(evidence.heart(), "loop");
  ASSERT_EQ(evidence.other_hearts_size(), 1);
  EXPECT_EQ(evidence.other_hearts(0).label(), "net");
  EXPECT_EQ(evidence.other_hearts(0).silence().seconds(), 0);
}

TEST(Gates, TracedFrozenAndForeignOnesAreHeldAndSaidToBe) {
  FakeHost host;
  host.Register(7, "traced", 5s);
  host.Register(8, "frozen", 5s);
  host.Register(9, "sshd", 5s);
  // Enough that are well: three of three would be a sick host.
  for (int i = 0; i < 4; ++i) host.Register(20 + i, "well-" + std::to_string(i), 24h);
  host.process(7).facts.tracer = 99;
  host.process(8).facts.frozen = true;
  host.process(9).facts.comm = "sshd";
  host.Pass(20s);
  for (const int32_t pid : {7, 8, 9}) EXPECT_EQ(host.signals(pid), kNobody) << pid;
  std::map<std::string, v1::HeldBy> held;
  for (const v1::Event& event : host.Events(v1::EVENT_KIND_HELD))
    held[event.slot()] = event.held_by();
  EXPECT_EQ(held["traced"], v1::HELD_BY_TRACER);
  EXPECT_EQ(held["frozen"], v1::HELD_BY_FREEZER);
  EXPECT_EQ(held["sshd"], v1::HELD_BY_POLICY);
  EXPECT_EQ(host.Events(v1::EVENT_KIND_HELD).size(), 3u) << "said once, not each second";
  host.process(7).facts.tracer = 0;
  host.Pass(1200ms);
  EXPECT_EQ(host.signals(7), kTerm);
}

TEST(Gates, AReusedPidIsAMismatchAndNobodyIsSignalled) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.process(7).facts.start_ticks = 999'999;
  host.Pass(6s);
  EXPECT_EQ(host.signals(7), kNobody);
  EXPECT_EQ(host.The(v1::EVENT_KIND_VERDICT).verdict(), v1::VERDICT_IDENTITY_MISMATCH);
}

TEST(Gates, WhatTheKernelRefusesIsHeldAndTriedAgain) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.process(7).answer = Target::Sent::kDenied;
  host.Pass(8s);
  EXPECT_EQ(host.The(v1::EVENT_KIND_HELD).held_by(), v1::HELD_BY_KERNEL);
  EXPECT_TRUE(host.Events(v1::EVENT_KIND_TERM_SENT).empty());
  host.process(7).answer = Target::Sent::kYes;
  host.Pass(1200ms);
  EXPECT_EQ(host.signals(7), kTerm);
}

TEST(Gates, AnOperatorsHoldWithholdsBothSignalsAndEndsByItself) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.enforcer().PlaceHold(host.slot("encoder"), host.Order("h1"), 30s, {});
  host.Pass(20s);
  EXPECT_EQ(host.signals(7), kNobody);
  EXPECT_EQ(host.The(v1::EVENT_KIND_HELD).held_by(), v1::HELD_BY_OPERATOR);
  EXPECT_EQ(host.table().Row(host.slot("encoder")).hold().owner(), "operator/ada");
  host.Pass(10500ms);
  EXPECT_EQ(host.signals(7), kTerm);
  EXPECT_EQ(host.The(v1::EVENT_KIND_HOLD_ENDED).order_id(), "");

  host.enforcer().PlaceHold(host.slot("encoder"), host.Order("h2"), 60s, {});
  host.Pass(20s);
  EXPECT_EQ(host.signals(7), kTerm) << "SIGKILL is withheld too";
  host.enforcer().ReleaseHold(host.slot("encoder"), host.Order("r1"));
  host.Pass(200ms);
  EXPECT_EQ(host.signals(7).back(), SIGKILL);
}

TEST(Gates, AHoldOfOneHeartHoldsTheProcess) {
  FakeHost host;
  host.Register(7, "a", 5s);
  host.Register(7, "b", 5s);
  host.enforcer().PlaceHold(host.slot("b"), host.Order("h1"), 60s, {});
  host.Pass(20s, [&] { host.Beat("b"); });
  EXPECT_EQ(host.signals(7), kNobody);
}

TEST(Gates, AHoldIsCountedThroughASuspend) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.enforcer().PlaceHold(host.slot("encoder"), host.Order("h1"), 60s, {});
  host.suspended += 2min;
  host.Pass(200ms);
  EXPECT_EQ(host.Events(v1::EVENT_KIND_HOLD_ENDED).size(), 1u);
}

TEST(Gates, AnOrderPassesWithoutEvidenceAndIsAnsweredWhenHeld) {
  FakeHost host;
  host.Register(7, "a", 5s);
  host.Register(8, "b", 5s);
  host.process(8).facts.tracer = 99;
  host.enforcer().Execute(host.slot("a"), host.Order("k1"), 5s);
  host.enforcer().Execute(host.slot("b"), host.Order("k2"), 5s);
  EXPECT_EQ(host.signals(7), kTerm);
  EXPECT_EQ(host.evidence_asked, 0);
  const v1::Event verdict = host.The(v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(verdict.order_id(), "k2");
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_HELD);
  EXPECT_EQ(verdict.held_by(), v1::HELD_BY_TRACER);
}

TEST(Gates, AnOrderDoesNotWaitForWhatAHangWaitsFor) {
  FakeHost host;
  host.deliver_evidence = false;
  host.Register(7, "a", 5s);
  host.Pass(5200ms);
  EXPECT_EQ(host.signals(7), kNobody);
  host.enforcer().Execute(host.slot("a"), host.Order("k1"), 5s);
  EXPECT_EQ(host.signals(7), kTerm);
  host.End(7);
  const auto verdicts = host.Events(v1::EVENT_KIND_VERDICT);
  ASSERT_EQ(verdicts.size(), 2u) << "one for the hang, one for the order";
  EXPECT_EQ(verdicts[0].cause(), v1::CAUSE_HEARTBEAT) << "the first cause wins";
}

TEST(Gates, AnOrderThatComesToAnUnkillableTargetIsAnsweredAlone) {
  FakeHost host;
  host.Register(7, "a", 5s);
  host.enforcer().Execute(host.slot("a"), host.Order("k1"), 1s);
  host.Pass(13s);
  ASSERT_EQ(host.Events(v1::EVENT_KIND_VERDICT).size(), 1u);
  host.enforcer().Execute(host.slot("a"), host.Order("k2"), 1s);
  const auto verdicts = host.Events(v1::EVENT_KIND_VERDICT);
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[1].order_id(), "k2");
  EXPECT_EQ(verdicts[1].verdict(), v1::VERDICT_UNKILLABLE);
}

TEST(Gates, ObservedNamesAreReportedAndNeverSignalled) {
  FakeHost host(
      {},
      SlotRuleBook(
          {},
          {{.name = "shy*", .observe = true, .shadow_timeout = {}, .max_busy = {}, .grace = {}}}));
  host.Register(7, "shy-1", 5s);
  host.Pass(20s);
  EXPECT_EQ(host.signals(7), kNobody);
  EXPECT_EQ(host.The(v1::EVENT_KIND_WOULD_KILL).slot(), "shy-1");
  host.enforcer().Execute(host.slot("shy-1"), host.Order("k1"), 5s);
  EXPECT_EQ(host.signals(7), kNobody);
  EXPECT_EQ(host.The(v1::EVENT_KIND_VERDICT).held_by(), v1::HELD_BY_OBSERVE);
}

TEST(Gates, AnObservedHeartDoesNotHideAnotherOfItsProcess) {
  FakeHost host(
      {},
      SlotRuleBook(
          {},
          {{.name = "shy", .observe = true, .shadow_timeout = {}, .max_busy = {}, .grace = {}}}));
  host.Register(7, "shy", 1s);
  host.Register(7, "bold", 5s);
  host.Pass(5500ms);
  EXPECT_EQ(host.signals(7), kTerm);
  EXPECT_EQ(host.The(v1::EVENT_KIND_TERM_SENT).slot(), "bold");
}

TEST(Gates, AShadowTimeoutReportsOncePerSilence) {
  FakeHost host(
      {},
      SlotRuleBook(
          {}, {{.name = "*", .observe = {}, .shadow_timeout = 2s, .max_busy = {}, .grace = {}}}));
  host.Register(7, "encoder", 5s);
  host.Pass(4s);
  EXPECT_EQ(host.The(v1::EVENT_KIND_WOULD_KILL).timeout().seconds(), 2);
  host.Beat("encoder");
  host.Pass(4s);
  EXPECT_EQ(host.Events(v1::EVENT_KIND_WOULD_KILL).size(), 2u);
  EXPECT_EQ(host.enforcer().DetailOf(host.slot("encoder")).shadow_kills(), 2);
  EXPECT_EQ(host.signals(7), kNobody);
}

TEST(Gates, ANearMissIsAnEvent) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.Pass(4s);
  host.Beat("encoder");
  host.Pass(100ms);
  EXPECT_TRUE(host.Events(v1::EVENT_KIND_NEAR_MISS).empty()) << "80 % itself is none";
  host.Pass(4100ms);
  host.Beat("encoder");
  host.Pass(100ms);
  EXPECT_EQ(host.The(v1::EVENT_KIND_NEAR_MISS).slot(), "encoder");
}

TEST(Gates, WhoGivesItselfUpIsStoppedAtOnce) {
  FakeHost host;
  host.Register(7, "encoder", 5s);
  host.page("encoder").flags |= PROCCTL_PAGE_FAILED;
  host.Pass(200ms, [&] { host.Beat("encoder"); });
  EXPECT_EQ(host.signals(7), kTerm);
  EXPECT_EQ(host.The(v1::EVENT_KIND_HUNG).cause(), v1::CAUSE_SELF_FAILED);
}

}  // namespace
}  // namespace procctl::node
