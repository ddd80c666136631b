// The real procctl-uplink between a fake guardian and a fake controller.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "node/uplink/boot_clock.h"
#include "node/uplink/spool_db.h"
#include "proto/support/time_convert.h"
#include "tests/node/uplink/fixture_run.h"
#include "tests/node/uplink/uplink_fixture.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Numbers = std::vector<std::int64_t>;

Numbers Range(std::int64_t first, std::int64_t last) {
  Numbers numbers;
  for (std::int64_t n = first; n <= last; ++n) numbers.push_back(n);
  return numbers;
}

// ---- Session

TEST_F(UplinkTest, TellsTheControllerWhoItIsAndEverythingItHas) {
  Run();
  guardian_->SetSlots({MakeSlot(1), MakeSlot(2, v1::SLOT_STATE_HUNG)});
  guardian_->Record(20);
  ASSERT_TRUE(Soon([&] {
    return controller_.Committed(1) == 20 && controller_.Slots().size() == 2 &&
           guardian_->spooled() == 20;
  }));
  const v1::Hello hello = controller_.Hellos().front();
  EXPECT_EQ(hello.node_id(), kNode);
  EXPECT_EQ(hello.boot_id(), kBoot);
  EXPECT_EQ(hello.guardian_epoch(), 1);
  EXPECT_EQ(hello.max_session_epoch(), 0);
  EXPECT_EQ(hello.mode(), "enforce");
  EXPECT_EQ(hello.instance().size(), 36u);
  EXPECT_THAT(hello.features(), ::testing::Contains("drain"));
  EXPECT_EQ(controller_.StoredEvents(), 20u);
}

TEST_F(UplinkTest, ChangesOfSlotsFollowTheSnapshot) {
  Run();
  guardian_->SetSlots({MakeSlot(1), MakeSlot(2)});
  ASSERT_TRUE(Soon([&] { return controller_.Slots().size() == 2; }));
  v1::LinkUp message;
  *message.mutable_slots() = Change({MakeSlot(1, v1::SLOT_STATE_TERM_SENT)}, {2});
  guardian_->Send(message);
  EXPECT_TRUE(Soon([&] {
    const auto slots = controller_.Slots();
    return slots.size() == 1 && slots.at(1).state() == v1::SLOT_STATE_TERM_SENT;
  }));
}

TEST_F(UplinkTest, AfterAReconnectExactlyWhatIsNotCommittedComesAgain) {
  Run();
  guardian_->Record(10);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 10; }));
  controller_.Set({.commits = false});
  guardian_->Record(10);
  ASSERT_TRUE(Soon([&] { return controller_.ReceivedInSession() == Range(1, 20); }));
  controller_.EndSession({grpc::StatusCode::UNAVAILABLE, "going down"});
  controller_.Set({});
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 20; }));
  EXPECT_EQ(controller_.ReceivedInSession(), Range(11, 20));
  EXPECT_EQ(controller_.StoredEvents(), 20u);
}

TEST_F(UplinkTest, CommittedButUnacknowledgedEventsDoNotComeAgain) {
  controller_.Set({.acknowledges = false});
  Run();
  guardian_->Record(10);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 10; }));
  controller_.EndSession({grpc::StatusCode::UNAVAILABLE, "going down"});
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 2 && controller_.Committed(1) == 11; }));
  EXPECT_EQ(controller_.StoredEvents(), 11u);
}

TEST_F(UplinkTest, AResyncBringsANewSnapshot) {
  Run();
  guardian_->SetSlots({MakeSlot(1)});
  ASSERT_TRUE(Soon([&] { return controller_.Snapshots() == 1; }));
  controller_.SendResync();
  EXPECT_TRUE(
      Soon([&] { return controller_.Snapshots() == 2 && controller_.Slots().size() == 1; }));
}

TEST_F(UplinkTest, ASupersededSessionIsFollowedByANewOne) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  controller_.EndSession({grpc::StatusCode::ABORTED, "superseded by a newer session"});
  EXPECT_TRUE(Soon([&] { return controller_.Welcomed() == 2; }));
  EXPECT_TRUE(Logged("superseded by a newer session"));
}

TEST_F(UplinkTest, ALowerSessionEpochIsRefusedEvenAfterARestart) {
  controller_.Set({.session_epoch = 500});
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  ASSERT_TRUE(Logged("as session 500"));
  guardian_->Kill();
  controller_.Set({.session_epoch = 499});
  guardian_->Start();
  ASSERT_TRUE(Logged("sent session epoch 499, but this node was welcomed with 500 before"));
  guardian_->Record(3);
  EXPECT_EQ(controller_.Hellos().back().max_session_epoch(), 500);
  EXPECT_FALSE(guardian_->Pump([&] { return controller_.Committed(1) > 0; }, milliseconds(300)));
  guardian_->Kill();
  controller_.Set({.session_epoch = 501});
  guardian_->Start();
  EXPECT_TRUE(Soon([&] { return controller_.Committed(1) == 3; }));
}

TEST_F(UplinkTest, HeartbeatsFlowWhenNothingElseDoes) {
  controller_.Set({.heartbeat = milliseconds(100)});
  Run();
  EXPECT_TRUE(Soon([&] { return controller_.Heartbeats() >= 5; }));
  EXPECT_EQ(controller_.Welcomed(), 1);
}

TEST_F(UplinkTest, ASilentControllerIsLeftAfterThreeIntervals) {
  controller_.Set({.heartbeat = milliseconds(150), .sends_heartbeats = false});
  Run();
  EXPECT_TRUE(Soon([&] { return controller_.Welcomed() >= 2; }));
  EXPECT_TRUE(Logged("nothing was heard from the controller for"));
}

TEST_F(UplinkTest, AControllerThatLostItsStoreIsToldWhatIsGone) {
  Run();
  guardian_->Record(10);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 10; }));
  // The acknowledgement has to arrive, or the node would still have them.
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 10; }));
  controller_.SendOrder(MakeOrder("after-ack"));
  ASSERT_TRUE(Soon([&] { return guardian_->orders().size() >= 1; }));
  controller_.LoseStore();
  controller_.EndSession({grpc::StatusCode::UNAVAILABLE, "restored from nothing"});
  guardian_->Record(1);
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 12; }));
  ASSERT_EQ(controller_.Lost().size(), 1u);
  EXPECT_EQ(controller_.Lost()[0].lost().first_seq(), 1);
  EXPECT_EQ(controller_.Lost()[0].lost().last_seq(), 10);
}

TEST_F(UplinkTest, ACertificateOfAnotherFleetIsNamedAsTheCause) {
  procctl::testing::TestFleet stranger("other");
  const TlsPem other = procctl::testing::Read(stranger.Issue(Role::kNode, kNode));
  hello_.set_certificate_pem(other.cert);
  hello_.set_key_pem(other.key);
  Run();
  EXPECT_TRUE(Logged("no session with 127.0.0.1"));
  EXPECT_TRUE(Logged("certificate"));
  EXPECT_EQ(controller_.Welcomed(), 0);
}

// ---- Orders

TEST_F(UplinkTest, AnOrderPassesWithWhatIsLeftOfItsTime) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  controller_.SendOrder(MakeOrder("r/1"));
  ASSERT_TRUE(Soon([&] { return guardian_->orders().size() >= 1; }));
  const v1::LinkOrder& order = guardian_->orders()[0];
  EXPECT_EQ(order.order().order_id(), "r/1");
  EXPECT_EQ(order.order().issuer(), "operator/alice");
  EXPECT_FALSE(order.from_earlier_guardian());
  const auto left = FromProto(order.order().time_to_live());
  EXPECT_LT(left, seconds(20));
  EXPECT_GT(left, seconds(19));
  const auto expires = FromProto(order.expires_at());
  EXPECT_LT(expires, (BootClock::now() + seconds(20)).time_since_epoch());
}

TEST_F(UplinkTest, ARepeatedOrderGoesAgainUntilItsVerdictIsKnown) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  controller_.SendOrder(MakeOrder("r/1"));
  controller_.SendOrder(MakeOrder("r/1"));
  ASSERT_TRUE(Soon([&] { return guardian_->orders().size() >= 2; }));
  EXPECT_FALSE(guardian_->orders()[1].from_earlier_guardian());
  guardian_->RecordVerdict("r/1");
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  controller_.SendOrder(MakeOrder("r/1"));
  controller_.SendOrder(MakeOrder("r/2"));
  ASSERT_TRUE(Soon([&] { return guardian_->orders().size() >= 3; }));
  EXPECT_EQ(guardian_->orders()[2].order().order_id(), "r/2");
}

TEST_F(UplinkTest, AHoldPassesEachTimeItIsSentAndItsAnswerReachesTheController) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  v1::HoldOrder hold;
  hold.set_order_id("h/0");
  hold.set_reason("migration");
  *hold.mutable_hold_for() = ToProto(seconds(600));
  *hold.mutable_time_to_live() = ToProto(seconds(20));
  controller_.SendHold(hold);
  controller_.SendHold(hold);
  ASSERT_TRUE(Soon([&] { return guardian_->holds().size() >= 2; }));
  const v1::LinkHoldOrder& passed = guardian_->holds()[0];
  EXPECT_EQ(passed.order().order_id(), "h/0");
  EXPECT_EQ(passed.order().reason(), "migration");
  EXPECT_EQ(FromProto(passed.order().hold_for()), seconds(600));
  EXPECT_LE(FromProto(passed.order().time_to_live()), seconds(20));
  EXPECT_GT(FromProto(passed.order().time_to_live()), seconds(0));
  EXPECT_GT(FromProto(passed.expires_at()), nanoseconds(0));
  guardian_->RecordAnswer(v1::EVENT_KIND_HOLD_PLACED, "h/0");
  ASSERT_TRUE(Soon([&] { return !controller_.Answers().empty(); }));
  EXPECT_EQ(controller_.Answers()[0].kind(), v1::EVENT_KIND_HOLD_PLACED);
  EXPECT_EQ(controller_.Answers()[0].order_id(), "h/0");
}

TEST_F(UplinkTest, AnOrderAboutAProgramPassesAndItsAnswerReachesTheController) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  v1::ProgramOrder order;
  order.set_order_id("p/0");
  order.set_action(v1::PROGRAM_ACTION_RESTART);
  order.set_program("web@1");
  order.set_issuer("operator/alice");
  order.set_reason("new release");
  *order.mutable_time_to_live() = ToProto(seconds(20));
  controller_.SendProgram(order);
  *order.mutable_incarnation() = MakeSlot(7).incarnation();
  controller_.SendProgram(order);
  ASSERT_TRUE(Soon([&] { return guardian_->programs().size() >= 2; }));
  const v1::LinkProgramOrder& passed = guardian_->programs()[0];
  EXPECT_EQ(passed.order().order_id(), "p/0");
  EXPECT_EQ(passed.order().action(), v1::PROGRAM_ACTION_RESTART);
  EXPECT_EQ(passed.order().program(), "web@1");
  EXPECT_EQ(passed.order().issuer(), "operator/alice");
  EXPECT_EQ(passed.order().reason(), "new release");
  EXPECT_FALSE(passed.order().has_incarnation());
  EXPECT_EQ(guardian_->programs()[1].order().incarnation().generation(), 7);
  EXPECT_LE(FromProto(passed.order().time_to_live()), seconds(20));
  EXPECT_GT(FromProto(passed.order().time_to_live()), seconds(0));
  EXPECT_GT(FromProto(passed.expires_at()), nanoseconds(0));
  guardian_->RecordAnswer(v1::EVENT_KIND_PROGRAM_ORDERED, "p/0");
  ASSERT_TRUE(Soon([&] { return !controller_.Answers().empty(); }));
  EXPECT_EQ(controller_.Answers()[0].kind(), v1::EVENT_KIND_PROGRAM_ORDERED);
  EXPECT_EQ(controller_.Answers()[0].order_id(), "p/0");
}

TEST_F(UplinkTest, RowsOfAThousandProgramsArriveAndFollowTheirChanges) {
  std::vector<v1::Program> programs;
  for (int i = 0; i < 1'000; ++i) {
    programs.push_back(MakeProgram("job@" + std::to_string(i)));
    programs.back().set_message(std::string(300, 'm'));
  }
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  guardian_->SetPrograms(programs);
  guardian_->SetSlots({});
  ASSERT_TRUE(Soon([&] { return controller_.Programs().size() == 1'000; }));
  EXPECT_EQ(controller_.Programs().at("job@999").message().size(), 300U);
  v1::LinkUp change;
  *change.mutable_slots()->add_program_upserts() = MakeProgram("job@999", v1::PROGRAM_STATE_PARKED);
  change.mutable_slots()->add_program_removes("job@0");
  guardian_->Send(change);
  ASSERT_TRUE(Soon([&] { return controller_.Programs().count("job@0") == 0; }));
  EXPECT_EQ(controller_.Programs().at("job@999").state(), v1::PROGRAM_STATE_PARKED);
  EXPECT_EQ(controller_.Programs().size(), 999U);
  EXPECT_EQ(controller_.Breaches(), "");
}

TEST_F(UplinkTest, AFullChunkOfOutputFitsTheLinkAndTheSession) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  v1::DetailRequest question;
  question.set_request(501);
  question.mutable_output()->set_program("web@1");
  question.mutable_output()->set_stderr(true);
  question.mutable_output()->set_tail_lines(10);
  *question.mutable_output()->mutable_wait() = ToProto(seconds(3));
  controller_.Ask(question);
  ASSERT_TRUE(Soon([&] { return guardian_->details().size() == 1; }));
  const v1::DetailRequest& asked = guardian_->details()[0];
  EXPECT_EQ(asked.output().program(), "web@1");
  EXPECT_TRUE(asked.output().stderr());
  EXPECT_EQ(asked.output().tail_lines(), 10);
  EXPECT_EQ(FromProto(asked.output().wait()), seconds(3));
  v1::LinkUp answer;
  answer.mutable_detail()->set_request(asked.request());
  // Raw bytes of a program, not text.
  std::string data(32 * 1024, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31);
  answer.mutable_detail()->mutable_output()->set_data(data);
  answer.mutable_detail()->mutable_output()->set_cursor(std::string(1'024, 'c'));
  guardian_->Send(answer);
  ASSERT_TRUE(Soon([&] { return controller_.Details().size() == 1; }));
  EXPECT_EQ(controller_.Details()[0].request(), 501);
  EXPECT_EQ(controller_.Details()[0].output().data(), data);
}

TEST_F(UplinkTest, DetailsAreAskedOfTheGuardianAndAnsweredToTheOneWhoAsked) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  EXPECT_THAT(controller_.Hellos()[0].features(),
              ::testing::ElementsAre("holds", "details", "programs", "drain"));
  controller_.AskDetail(501, 7);
  controller_.AskDetail(502, 0);
  ASSERT_TRUE(Soon([&] { return guardian_->details().size() == 2; }));
  EXPECT_EQ(guardian_->details()[0].generation(), 7);
  EXPECT_EQ(guardian_->details()[1].generation(), 0);
  v1::LinkUp answer;
  answer.mutable_detail()->set_request(guardian_->details()[1].request());
  answer.mutable_detail()->mutable_node();
  guardian_->Send(answer);
  answer.mutable_detail()->set_request(guardian_->details()[0].request());
  *answer.mutable_detail()->mutable_slot()->mutable_slot() = MakeSlot(7);
  guardian_->Send(answer);
  // A guardian that answers twice, or what nobody asked, is not passed on.
  guardian_->Send(answer);
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  const auto details = controller_.Details();
  ASSERT_EQ(details.size(), 2u);
  EXPECT_EQ(details[0].request(), 502);
  EXPECT_TRUE(details[0].has_node());
  EXPECT_EQ(details[1].request(), 501);
  EXPECT_EQ(details[1].slot().slot().incarnation().generation(), 7);
}

TEST_F(UplinkTest, AnAnswerThatComesAfterItsSessionIsNobodys) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  controller_.AskDetail(1, 7);
  ASSERT_TRUE(Soon([&] { return guardian_->details().size() == 1; }));
  controller_.EndSession(grpc::Status(grpc::StatusCode::UNAVAILABLE, "again"));
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 2; }));
  controller_.AskDetail(1, 8);
  ASSERT_TRUE(Soon([&] { return guardian_->details().size() == 2; }));
  v1::LinkUp answer;
  for (const v1::DetailRequest& question : guardian_->details()) {
    answer.mutable_detail()->set_request(question.request());
    *answer.mutable_detail()->mutable_slot()->mutable_slot() = MakeSlot(question.generation());
    guardian_->Send(answer);
  }
  ASSERT_TRUE(Soon([&] { return !controller_.Details().empty(); }));
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  ASSERT_EQ(controller_.Details().size(), 1u);
  EXPECT_EQ(controller_.Details()[0].slot().slot().incarnation().generation(), 8);
}

TEST_F(UplinkTest, AnOrderOfAnEarlierGuardianIsMarkedAsSuch) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  controller_.SendOrder(MakeOrder("undecided"));
  controller_.SendOrder(MakeOrder("decided"));
  ASSERT_TRUE(Soon([&] { return guardian_->orders().size() >= 2; }));
  guardian_->RecordVerdict("decided");
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 1; }));
  guardian_->Kill();
  guardian_->NextEpoch();
  guardian_->Start();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 2; }));
  controller_.SendOrder(MakeOrder("decided"));
  controller_.SendOrder(MakeOrder("undecided"));
  ASSERT_TRUE(Soon([&] { return guardian_->orders().size() >= 3; }));
  EXPECT_EQ(guardian_->orders()[2].order().order_id(), "undecided");
  EXPECT_TRUE(guardian_->orders()[2].from_earlier_guardian());
}

TEST_F(UplinkTest, AnOrderPassesAlthoughTheSpoolCannotBeWritten) {
  hello_.set_state_dir(folder_.path() + "/missing");
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  controller_.SendOrder(MakeOrder("r/1"));
  EXPECT_TRUE(Soon([&] { return guardian_->orders().size() >= 1; }));
  EXPECT_TRUE(Logged("the spool did not take its intent"));
}

// ---- Spool

TEST_F(UplinkTest, KilledMidStreamItLosesAndDoublesNothing) {
  Run();
  for (int round = 0; round < 6; ++round) {
    guardian_->Record(700);
    const std::int64_t half = guardian_->last_seq() - 350;
    ASSERT_TRUE(Soon([&] { return controller_.Committed(1) >= half; }));
    guardian_->Record(300);
    guardian_->Kill();
    guardian_->Start();
  }
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 6'000; }));
  EXPECT_EQ(controller_.StoredEvents(), 6'000u);
  EXPECT_TRUE(controller_.Lost().empty());
}

TEST_F(UplinkTest, EventsAreKeptWhileTheControllerIsAwayAndAcrossGuardians) {
  ControllerIsAway();
  RunWithoutController();
  guardian_->Record(30);
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 30; }));
  ASSERT_TRUE(Logged("no session with 127.0.0.1"));
  guardian_->Kill();
  guardian_->NextEpoch();
  guardian_->Start();
  guardian_->Record(5);
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 5; }));
  controller_.Start();
  ASSERT_TRUE(Soon([&] { return controller_.Committed(2) == 5; }));
  EXPECT_EQ(controller_.Committed(1), 30);
  EXPECT_EQ(controller_.StoredEvents(), 35u);
}

TEST_F(UplinkTest, ABacklogLargerThanTheWindowIsPagedInInOrder) {
  ControllerIsAway();
  RunWithoutController();
  guardian_->Record(50'000);
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 50'000; }));
  controller_.Start();
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 50'000; }));
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 50'001; }));
  EXPECT_EQ(controller_.StoredEvents(), 50'001u);
}

TEST_F(UplinkTest, AFullSpoolFoldsTheOldestIntoARecord) {
  hello_.set_spool_events(100);
  ControllerIsAway();
  RunWithoutController();
  guardian_->Record(1'000);
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 1'000; }));
  controller_.Start();
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1'000; }));
  EXPECT_EQ(controller_.StoredEvents(), 100u);
  ASSERT_EQ(controller_.Lost().size(), 1u);
  EXPECT_EQ(controller_.Lost()[0].lost().first_seq(), 1);
  EXPECT_EQ(controller_.Lost()[0].lost().last_seq(), 901);
}

TEST_F(UplinkTest, ASpoolFullByBytesFoldsTheOldestIntoARecord) {
  hello_.set_spool_bytes(20'000);
  ControllerIsAway();
  RunWithoutController();
  guardian_->Record(1'000);
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 1'000; }));
  controller_.Start();
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1'000; }));
  ASSERT_EQ(controller_.Lost().size(), 1u);
  EXPECT_EQ(controller_.Lost()[0].lost().first_seq(), 1);
  EXPECT_EQ(controller_.Lost()[0].lost().last_seq(),
            1'001 - static_cast<std::int64_t>(controller_.StoredEvents()));
  EXPECT_THAT(controller_.Lost()[0].message(), ::testing::HasSubstr("bound of 19.5K"));
  EXPECT_GT(controller_.StoredEvents(), 100u) << "no more than must";
}

TEST_F(UplinkTest, WithoutAControllerItOnlySpools) {
  RunWithoutController();
  guardian_->Record(100);
  EXPECT_TRUE(Soon([&] { return guardian_->spooled() == 100; }));
  EXPECT_TRUE(Logged("no controller is configured"));
}

TEST_F(UplinkTest, WithoutADiskEventsStillReachTheControllerAndTheGuardianKeepsTheRest) {
  hello_.set_state_dir(folder_.path() + "/missing");
  Run();
  guardian_->Record(10);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 10; }));
  // Committed by a controller: the guardian may forget them after all.
  EXPECT_TRUE(Soon([&] { return guardian_->spooled() == 10; }));
  controller_.Set({.commits = false});
  guardian_->Record(5);
  ASSERT_TRUE(Soon([&] { return controller_.ReceivedInSession().size() == 15; }));
  EXPECT_EQ(guardian_->spooled(), 10);
  EXPECT_TRUE(Logged("events stay in memory and with the guardian"));
}

TEST_F(UplinkTest, AFolderThatMayNotBeWrittenIsLikeNoDisk) {
  hello_.set_state_dir(folder_.path() + "/locked");
  ASSERT_EQ(mkdir(hello_.state_dir().c_str(), 0500), 0);
  controller_.Start();
  hello_.set_controller_address(controller_.address());
  MakeGuardian();
  // Root may write every folder unless it gives up the right to. Fails, and need not succeed, for
  // other users.
  guardian_->set_before_exec([] { (void)prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE); });
  guardian_->Start();
  guardian_->Record(10);
  EXPECT_TRUE(Soon([&] { return controller_.Committed(1) == 10; }));
  EXPECT_TRUE(Logged("events stay in memory and with the guardian"));
}

TEST_F(UplinkTest, ADamagedSpoolIsMovedAsideAndWorkGoesOn) {
  std::ofstream(folder_.path() + "/spool.db") << std::string(100'000, 'x');
  Run();
  guardian_->Record(10);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 10 && guardian_->spooled() == 10; }));
  EXPECT_TRUE(Logged("spool.db.corrupt-"));
}

TEST_F(UplinkTest, AFullDiskKeepsEventsWithTheGuardianAndHealsByItself) {
  ControllerIsAway();
  hello_.set_controller_address(controller_.address());
  MakeGuardian();
  // A file may not grow: what a full disk looks like to a program.
  guardian_->set_before_exec([] {
    const rlimit limit{200 * 1024, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    (void)signal(SIGXFSZ, SIG_IGN);
  });
  guardian_->Start();
  guardian_->Record(10'000);
  ASSERT_TRUE(Logged("events stay in memory and with the guardian"));
  EXPECT_LT(guardian_->spooled(), 10'000);
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  ASSERT_EQ(prlimit(guardian_->pid(), RLIMIT_FSIZE, &unlimited, nullptr), 0);
  EXPECT_TRUE(Soon([&] { return guardian_->spooled() == 10'000; }));
  EXPECT_TRUE(Logged("can be written again"));
  controller_.Start();
  EXPECT_TRUE(Soon([&] { return controller_.Committed(1) == 10'000; }));
}

TEST_F(UplinkTest, WithoutDiskAndControllerItTakesNoMoreThanItsBound) {
  ControllerIsAway();
  hello_.set_state_dir(folder_.path() + "/missing");
  RunWithoutController();
  guardian_->Record(40'000);
  ASSERT_TRUE(Logged("no session with"));
  // The rest waits in the socket and with the guardian; when the disk comes, it all goes through.
  ASSERT_EQ(mkdir(hello_.state_dir().c_str(), 0700), 0);
  EXPECT_TRUE(Soon([&] { return guardian_->spooled() == 40'000; }));
  controller_.Start();
  EXPECT_TRUE(Soon([&] { return controller_.Committed(1) == 40'000; }));
  EXPECT_EQ(controller_.StoredEvents(), 40'000u);
}

// ---- Link

TEST_F(UplinkTest, MalformedPacketsAreSkippedAndTheRowsAskedForAgain) {
  Run();
  guardian_->SetSlots({MakeSlot(1)});
  guardian_->SendRaw(std::string("\xff\xff\xff\xff garbage", 12));
  guardian_->SendRaw(std::string(150'000, 'x'));  // Larger than a packet may be.
  v1::LinkUp unknown_event;
  *unknown_event.mutable_events()->add_events() = MakeEvent(9, 1);  // Not of this epoch.
  guardian_->Send(unknown_event);
  guardian_->Record(3);
  EXPECT_TRUE(Soon([&] {
    return controller_.Committed(1) == 3 && guardian_->snapshot_requests() >= 1 &&
           controller_.Slots().size() == 1;
  }));
}

TEST_F(UplinkTest, AGapInTheGuardiansNumbersIsARecord) {
  Run();
  guardian_->Record(3);
  v1::LinkUp message;
  *message.mutable_events()->add_events() = MakeEvent(1, 7);
  guardian_->Send(message);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 7; }));
  ASSERT_EQ(controller_.Lost().size(), 1u);
  EXPECT_EQ(controller_.Lost()[0].lost().first_seq(), 4);
  EXPECT_EQ(controller_.Lost()[0].lost().last_seq(), 6);
}

TEST_F(UplinkTest, EventsThatAreSentAgainAreReportedAsSpooledAgain) {
  RunWithoutController();
  guardian_->Record(5);
  ASSERT_TRUE(Soon([&] { return guardian_->spooled() == 5; }));
  guardian_->Kill();
  guardian_->Start();
  // The hello alone is answered with what the spool holds.
  guardian_->Record(1);
  EXPECT_TRUE(Soon([&] { return guardian_->spooled() == 6; }));
  guardian_->Kill();
  SpoolContent content;
  auto db = SpoolDb::Open({folder_.path(), {kNode, kBoot}, 1, 1'000}, &content);
  ASSERT_TRUE(db.ok()) << db.status();
  EXPECT_EQ((*db)->rows(), 6);
}

TEST_F(UplinkTest, WhenTheGuardianEndsItCommitsAndExitsInGoodOrder) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  guardian_->Record(2'000);
  EXPECT_EQ(guardian_->Close(seconds(10)), 0);
  SpoolContent content;
  auto db = SpoolDb::Open({folder_.path(), {kNode, kBoot}, 1, 1'000'000}, &content);
  ASSERT_TRUE(db.ok()) << db.status();
  EXPECT_EQ(content.spooled_seq, 2'000);
}

TEST_F(UplinkTest, TheLastWordsOfAGuardianReachTheController) {
  Run();
  // The session is in use on this side too, not only welcomed on the other.
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  guardian_->Record(100);
  EXPECT_EQ(guardian_->Close(seconds(10)), 0);
  EXPECT_EQ(controller_.Committed(1), 101);
}

TEST_F(UplinkTest, ARefusalIsToldWithWhatToDo) {
  controller_.Set({.refuses = true});
  Run();
  EXPECT_TRUE(Logged("not for this node; the node's certificate must be for"));
}

TEST_F(UplinkTest, SigtermEndsItInGoodOrder) {
  Run();
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 1; }));
  EXPECT_EQ(guardian_->Terminate(seconds(10)), 0);
}

TEST_F(UplinkTest, AHelloThatCannotBeUsedEndsItWithAReason) {
  hello_.clear_node_id();
  RunWithoutController();
  EXPECT_EQ(guardian_->Close(seconds(10)), 1);
  EXPECT_NE(guardian_->Log().find("it has no node id"), std::string::npos);
}

}  // namespace
}  // namespace procctl::uplink

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
