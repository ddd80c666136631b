#include "cli/story.h"

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

constexpr char kCleared[] =
    "The slot was cleared; a program that registers again gets a new one.\n";

// A thread that waits for a lock which nobody will give back.
void FillDeadlock(v1::Evidence* evidence) {
  evidence->set_heart("encoder");
  *evidence->mutable_silence() = ToProto(5041ms);
  *evidence->mutable_limit() = ToProto(5s);
  evidence->set_note("frame 12");
  v1::Thread* leader = evidence->add_threads();
  leader->set_tid(4182);
  leader->set_comm("media");
  leader->set_state("S");
  leader->set_wchan("do_epoll_wait");
  leader->set_syscall("epoll_wait");
  v1::Thread* stuck = evidence->add_threads();
  stuck->set_tid(4711);
  stuck->set_comm("encoder");
  stuck->set_state("S");
  stuck->set_wchan("futex_wait_queue");
  stuck->set_syscall("futex");
  v1::OtherHeart* other = evidence->add_other_hearts();
  other->set_label("decoder");
  *other->mutable_silence() = ToProto(120ms);
  *other->mutable_timeout() = ToProto(5s);
  *evidence->mutable_cpu_user() = ToProto(61s);
  *evidence->mutable_cpu_system() = ToProto(1500ms);
  evidence->set_resident(126353408);
  evidence->set_open_fds(12);
  evidence->set_fd_limit(1024);
  *evidence->mutable_guardian_worst_lag() = ToProto(12ms);
}

TEST(Story, OfADeadlock) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  FillDeadlock(kill.Add(v1::EVENT_KIND_EVIDENCE, 20ms).mutable_evidence());
  kill.Add(v1::EVENT_KIND_TERM_SENT, 21ms);
  kill.Add(v1::EVENT_KIND_KILL_SENT, 5023ms);
  kill.Verdict(v1::VERDICT_KILLED, 5030ms, 5009ms);
  EXPECT_EQ(
      kill.Story(),
      "At 2026-11-22T12:00:00 web-01/encoder (pid 4182) was found hung: its heart encoder gave no "
      "beat for 5.041s, limit 5s.\n"
      "Its last words were \"frame 12\".\n"
      "When the guardian looked, thread 4711 (encoder) was sleeping in futex_wait_queue, in system "
      "call futex (1 other was read as well).\n"
      "Of its other hearts decoder (silent 0.12s, limit 5s) beat on.\n"
      "It had used 1m1s of CPU in user mode and 1.5s in the kernel, and held 120.5 MiB of memory.\n"
      "The guardian was on time: its own scans were at most 12ms late in the last minute.\n"
      "SIGTERM was sent at 12:00:00, SIGKILL 5.002s later.\n"
      "It ended on SIGKILL, 5.009s after the first signal.\n" +
          std::string(kCleared));
}

TEST(Story, OfAnOrder) {
  KillEvents kill(v1::CAUSE_OPERATOR);
  kill.subject().set_order_id("r1/0");
  kill.subject().set_issuer("operator/alice");
  kill.subject().set_reason("stuck since noon");
  kill.Add(v1::EVENT_KIND_TERM_SENT, 0s);
  kill.Verdict(v1::VERDICT_EXITED_ON_TERM, 800ms, 800ms);
  EXPECT_EQ(kill.Story(),
            "At 2026-11-22T12:00:00 the guardian had an order of operator/alice to stop "
            "web-01/encoder (pid 4182); reason: \"stuck since noon\".\n"
            "No evidence of the process is recorded.\n"
            "SIGTERM was sent at 12:00:00.\n"
            "It ended on SIGTERM, 0.8s after the first signal.\n" +
                std::string(kCleared));
}

TEST(Story, OfAnOrderWithoutAReason) {
  KillEvents kill(v1::CAUSE_OPERATOR);
  kill.subject().set_order_id("r1/0");
  kill.subject().set_issuer("operator/alice");
  kill.Verdict(v1::VERDICT_GONE_ALREADY, 0s);
  EXPECT_THAT(kill.Story(), AllOf(HasSubstr("(pid 4182); no reason was given.\n"),
                                  HasSubstr("It had ended before any signal was sent.\n"),
                                  Not(HasSubstr("evidence"))));
}

TEST(Story, OfARecovery) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Verdict(v1::VERDICT_RECOVERED, 50ms).set_message("encoder beats again; not signalled");
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 4182);
  EXPECT_EQ(kill.Story(),
            "At 2026-11-22T12:00:00 web-01/encoder (pid 4182) was found hung: its heart encoder "
            "gave no beat for 5.041s, limit 5s.\n"
            "The kill was withdrawn before SIGTERM (recovered). Nobody was signalled. The "
            "guardian's word: \"encoder beats again; not signalled\".\n"
            "Now it is alive.\n");
}

TEST(Story, OfOneThatDoesNotEnd) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 10ms);
  kill.Add(v1::EVENT_KIND_KILL_SENT, 5010ms);
  kill.Verdict(v1::VERDICT_UNKILLABLE, 15020ms, 15010ms);
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_UNKILLABLE, 4182);
  EXPECT_THAT(kill.Story(),
              HasSubstr("It does not end on SIGKILL: it was still there, 15.01s after the first "
                        "signal (unkillable).\nSIGKILL is tried again once a minute.\n"));

  kill.Verdict(v1::VERDICT_KILLED, 75s, 74990ms);
  kill.facts().row.reset();
  EXPECT_THAT(
      kill.Story(),
      HasSubstr("It ended on SIGKILL, 74.99s after the first signal; before, it had counted "
                "as unkillable.\n" +
                std::string(kCleared)));
}

TEST(Story, OfAnotherProcessThanWasMeant) {
  KillEvents kill(v1::CAUSE_OPERATOR);
  kill.subject().set_kill(0);
  kill.subject().set_order_id("r1/0");
  kill.subject().set_issuer("operator/alice");
  kill.Verdict(v1::VERDICT_IDENTITY_MISMATCH, 0s).set_message("pid 4182 started at another time");
  EXPECT_THAT(kill.Story(),
              HasSubstr("The process found was not the one that was meant (identity mismatch). "
                        "Nobody was signalled. The guardian's word: \"pid 4182 started at another "
                        "time\".\nNo slot of the name web-01/encoder is there now.\n"));
}

TEST(Story, OfARefusalAndOfOneThatCameTooLate) {
  KillEvents refused(v1::CAUSE_OPERATOR);
  refused.Verdict(v1::VERDICT_REFUSED, 0s).set_refusal(v1::REFUSAL_PROTECTED);
  EXPECT_THAT(refused.Story(), HasSubstr("It was refused (protected). Nobody was signalled.\n"));
  KillEvents expired(v1::CAUSE_OPERATOR);
  expired.Verdict(v1::VERDICT_EXPIRED, 0s);
  EXPECT_THAT(expired.Story(), HasSubstr("after its time to live (expired). Nobody was"));
}

TEST(Story, OfAGuardianThatEndedInTheMiddle) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.NextGuardian();
  v1::Event& taken = kill.Add(v1::EVENT_KIND_STATE_TAKEN_UP, 1s);
  taken.set_kill(0);
  kill.Verdict(v1::VERDICT_UNKNOWN_AFTER_CRASH, 1001ms);
  EXPECT_EQ(kill.Story(),
            "At 2026-11-22T12:00:00 web-01/encoder (pid 4182) was found hung: its heart encoder "
            "gave no beat for 5.041s, limit 5s.\n"
            "At 12:00:01 another guardian took up the state of one that had ended.\n"
            "The guardian ended between the intent and the result: whether a signal was sent is "
            "not known.\n"
            "No slot of the name web-01/encoder is there now.\n");
}

TEST(Story, OfAGuardianThatTookTheLadderUp) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 10ms);
  kill.NextGuardian();
  kill.Add(v1::EVENT_KIND_STATE_TAKEN_UP, 2s).set_kill(0);
  kill.Add(v1::EVENT_KIND_KILL_SENT, 5010ms);
  kill.Verdict(v1::VERDICT_KILLED, 5020ms, 5010ms);
  EXPECT_THAT(kill.Story(),
              HasSubstr("SIGTERM was sent at 12:00:00, SIGKILL 5s later.\n"
                        "At 12:00:02 another guardian took up the state of one that had ended.\n"
                        "It ended on SIGKILL"));
  // Without that record the events' epochs still prove that there were two.
  std::erase_if(kill.facts().events, [](const v1::Event& event) {
    return event.kind() == v1::EVENT_KIND_STATE_TAKEN_UP;
  });
  EXPECT_THAT(kill.Story(), HasSubstr("The guardian was started anew in between.\n"));
}

TEST(Story, OfOneThatGaveUp) {
  KillEvents kill(v1::CAUSE_SELF_FAILED);
  kill.Add(v1::EVENT_KIND_HUNG, 0s).set_symptom(v1::SYMPTOM_GAVE_UP);
  kill.Add(v1::EVENT_KIND_EVIDENCE, 0s).mutable_evidence()->set_note("GPU lost");
  EXPECT_THAT(kill.Story(),
              AllOf(HasSubstr("its heart encoder said itself that it failed: \"GPU lost\".\n"),
                    Not(HasSubstr("last words"))));
}

TEST(Story, OfEveryOtherSymptom) {
  const struct {
    v1::Symptom symptom;
    const char* text;
  } cases[] = {
      {v1::SYMPTOM_NO_PROGRESS,
       "its heart encoder beats but made no progress for 31.5s, limit 30s.\n"},
      {v1::SYMPTOM_NOT_READY,
       "its heart encoder was not READY within its start grace: 31.5s passed, limit 30s.\n"},
      {v1::SYMPTOM_BUSY_TOO_LONG,
       "its heart encoder was busy longer than announced or allowed: 31.5s, limit 30s.\n"},
      {static_cast<v1::Symptom>(77), "its heart encoder passed a limit (symptom 77).\n"}};
  for (const auto& c : cases) {
    KillEvents kill(v1::CAUSE_HEARTBEAT);
    kill.subject().set_symptom(c.symptom);
    *kill.subject().mutable_silence() = ToProto(31500ms);
    *kill.subject().mutable_timeout() = ToProto(30s);
    kill.Add(v1::EVENT_KIND_HUNG, 0s);
    EXPECT_THAT(kill.Story(), HasSubstr(c.text));
  }
}

TEST(Story, NumbersThatAreNotRecordedAreNotTold) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.subject().clear_silence();
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  EXPECT_THAT(kill.Story(), HasSubstr("its heart encoder gave no beat within its limit.\n"));
}

TEST(Story, OfAKillThatRunsStill) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.facts().row = Row("web-01", "encoder", v1::SLOT_STATE_TERM_SENT, 4182);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  EXPECT_THAT(kill.Story(), HasSubstr("No signal and no end is recorded yet.\n"));
  kill.Add(v1::EVENT_KIND_TERM_SENT, 10ms);
  EXPECT_THAT(kill.Story(),
              HasSubstr("SIGTERM was sent at 12:00:00.\nNo end is recorded yet; SIGKILL follows "
                        "when its grace has passed.\n"));
  kill.Add(v1::EVENT_KIND_KILL_SENT, 5010ms);
  EXPECT_THAT(kill.Story(), HasSubstr("ten seconds after SIGKILL it counts as unkillable.\n"));
}

// What a node did after it was last heard is not known, and must not be told as if it were.
TEST(Story, OfANodeThatCannotBeHeardNothingIsForetold) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 10ms);
  v1::FleetSlot row = Row("web-01", "encoder", v1::SLOT_STATE_TERM_SENT, 4182);
  row.set_node_state(v1::NODE_STATE_LOST);
  *row.mutable_age() = ToProto(95s);
  kill.facts().row = row;
  EXPECT_THAT(kill.Story(),
              AllOf(HasSubstr("What became of it cannot be told now: its node was last heard 1m35s "
                              "ago, and then it was term_sent.\n"),
                    Not(HasSubstr("follows"))));
}

TEST(Story, NamesWhoHoldsTheNameNow) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Verdict(v1::VERDICT_EXITED_ON_TERM, 800ms, 790ms);
  v1::FleetSlot row = Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 5000);
  row.mutable_slot()->mutable_registered_at()->set_seconds(testing::kNoon + 3);
  kill.facts().row = row;
  EXPECT_THAT(kill.Story(),
              AllOf(HasSubstr("The name web-01/encoder now belongs to pid 5000, registered at "
                              "2026-11-22T12:00:03; that one is alive.\n"),
                    Not(HasSubstr(kCleared))));
}

TEST(Story, AnOrderThatJoinsChangesNothing) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  kill.Add(v1::EVENT_KIND_TERM_SENT, 10ms);
  kill.Verdict(v1::VERDICT_EXITED_ON_TERM, 900ms, 890ms);
  v1::Event& order = kill.Verdict(v1::VERDICT_EXITED_ON_TERM, 900ms, 890ms);
  order.set_order_id("r1/0");
  order.set_issuer("operator/alice");
  order.set_reason("now");
  EXPECT_THAT(kill.Story(),
              AllOf(HasSubstr("was found hung"),
                    HasSubstr("operator/alice ordered it too (reason: \"now\"); the first cause "
                              "stands.\n")));
}

TEST(Story, OfAnEventThatBelongsToNoKill) {
  KillEvents events(v1::CAUSE_UNSPECIFIED);
  events.subject().set_kill(0);
  v1::Event& placed = events.Add(v1::EVENT_KIND_HOLD_PLACED, 0s);
  placed.set_issuer("operator/alice");
  placed.set_reason("debugging");
  placed.mutable_hold_until()->set_seconds(testing::kNoon + 1800);
  EXPECT_EQ(events.Story(),
            "At 2026-11-22T12:00:00 on web-01/encoder (pid 4182): hold_placed by operator/alice, "
            "reason: \"debugging\", until 2026-11-22T12:30:00.\n"
            "It belongs to no kill.\n");
}

// A note is the process's own; it must not be able to tell a story of its own.
TEST(Story, WordsOfAProcessCannotForgeASentence) {
  KillEvents kill(v1::CAUSE_HEARTBEAT);
  kill.Add(v1::EVENT_KIND_HUNG, 0s);
  v1::Evidence* evidence = kill.Add(v1::EVENT_KIND_EVIDENCE, 0s).mutable_evidence();
  evidence->set_note("x\". SIGTERM was never sent.\x1b[2J\n");
  v1::Thread* thread = evidence->add_threads();
  thread->set_tid(1);
  thread->set_comm("a b\n");
  thread->set_state("S");
  EXPECT_THAT(
      kill.Story(),
      AllOf(HasSubstr("Its last words were \"x'. SIGTERM was never sent.\\x1b[2J\\x0a\".\n"),
            HasSubstr("(a\\x20b\\x0a)"), Not(HasSubstr("\x1b"))));
}

TEST(Story, OneOddEventIsNoReasonToFail) {
  KillEvents kill(static_cast<v1::Cause>(42));
  v1::Event& event = kill.Verdict(static_cast<v1::Verdict>(42), 0s);
  event.clear_node();
  event.clear_at();
  event.clear_incarnation();
  EXPECT_THAT(kill.Story(),
              AllOf(HasSubstr("the cause is not recorded"), HasSubstr("ended as 42")));
}

TEST(Paragraph, BreaksAtBlanksOnly) {
  EXPECT_EQ(Paragraph({"One two three.", "Four five."}, 14), "One two three.\nFour five.\n");
  EXPECT_EQ(Paragraph({"A.", "Bb cc."}, 100), "A. Bb cc.\n");
  EXPECT_EQ(Paragraph({"a verylongwordindeed b"}, 5), "a\nverylongwordindeed\nb\n");
  EXPECT_EQ(Paragraph({}, 10), "\n");
}

}  // namespace
}  // namespace procctl::cli
