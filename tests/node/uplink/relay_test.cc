// The relay and a real spool, with the threads of a session played by the test.
#include "node/uplink/relay.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "proto/support/time_convert.h"
#include "tests/node/uplink/fixtures.h"
#include "tests/proto/test_fleet.h"

namespace procctl::uplink {
namespace {

using std::chrono::seconds;

v1::LinkHello MakeLinkHello(const std::string& state_dir) {
  v1::LinkHello hello;
  hello.set_node_id(kNode);
  hello.set_boot_id(kBoot);
  hello.set_guardian_epoch(1);
  hello.set_state_dir(state_dir);
  return hello;
}

v1::LinkEvents Events(std::int64_t first, std::int64_t last) {
  v1::LinkEvents events;
  for (std::int64_t seq = first; seq <= last; ++seq) *events.add_events() = MakeEvent(1, seq);
  return events;
}

class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override { relay_.spool().Start(seconds(5)); }
  void TearDown() override {
    relay_.EndSession();
    EXPECT_TRUE(relay_.spool().Stop(seconds(10)));
  }

  procctl::testing::TemporaryFolder folder_;
  WakeFd wake_;
  Relay relay_{MakeLinkHello(folder_.path()), &wake_};
};

TEST_F(RelayTest, NothingIsSentBeforeWelcomeOrAfterTheEnd) {
  (void)relay_.BeginSession();
  relay_.OnEvents(Events(1, 3));
  std::thread ender([&] { relay_.EndSession(); });
  EXPECT_FALSE(relay_.NextRequest().has_value());
  ender.join();
  EXPECT_FALSE(relay_.NextRequest().has_value());
}

TEST_F(RelayTest, AnAcknowledgementOfWhatWasNeverSentIsNotBelieved) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  v1::EventAck ack;
  v1::EventCursor* cursor = ack.add_cursors();
  cursor->set_epoch(1);
  cursor->set_seq(1'000);
  relay_.OnEventAck(ack);
  relay_.OnEvents(Events(1, 2));
  const auto request = relay_.NextRequest();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->events().events_size(), 2);
}

TEST_F(RelayTest, AnOrderAboutAProgramGoesDownBeforeOrdersToStopAndOnce) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  v1::Order stop;
  stop.set_order_id("r/0");
  relay_.OnOrder(stop);
  v1::ProgramOrder order;
  order.set_order_id("p/0");
  order.set_action(v1::PROGRAM_ACTION_RESTART);
  order.set_program("web@1");
  *order.mutable_time_to_live() = ToProto(seconds(60));
  relay_.OnProgram(order);
  auto down = relay_.NextDown();
  ASSERT_TRUE(down.has_value() && down->has_program());
  EXPECT_EQ(relay_.NextDown()->program().order().order_id(), "p/0") << "until it is sent";
  EXPECT_EQ(down->program().order().action(), v1::PROGRAM_ACTION_RESTART);
  EXPECT_EQ(down->program().order().program(), "web@1");
  EXPECT_LE(FromProto(down->program().order().time_to_live()), seconds(60));
  EXPECT_GT(FromProto(down->program().expires_at()), std::chrono::nanoseconds(0));
  relay_.DownSent(*down);
  // The order to stop comes as soon as its intent is written, or its wait is over.
  while (!(down = relay_.NextDown()).has_value()) std::this_thread::yield();
  EXPECT_TRUE(down->has_order());
}

TEST_F(RelayTest, RowsOfProgramsReachTheSession) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  v1::LinkSlots rows = Snapshot({MakeSlot(1)});
  *rows.add_program_upserts() = MakeProgram("web@1");
  relay_.OnSlots(rows);
  const auto snapshot = relay_.NextRequest();
  ASSERT_TRUE(snapshot.has_value() && snapshot->has_snapshot_chunk());
  ASSERT_EQ(snapshot->snapshot_chunk().programs_size(), 1);
  v1::LinkSlots change;
  *change.add_program_upserts() = MakeProgram("web@1", v1::PROGRAM_STATE_PARKED);
  relay_.OnSlots(change);
  const auto delta = relay_.NextRequest();
  ASSERT_TRUE(delta.has_value() && delta->has_delta());
  ASSERT_EQ(delta->delta().program_upserts_size(), 1);
  EXPECT_EQ(delta->delta().program_upserts(0).state(), v1::PROGRAM_STATE_PARKED);
}

TEST_F(RelayTest, AThousandSlotsAreAskedForTheirUsageInOnePacketAndAnsweredInOne) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  v1::DetailRequest question;
  question.set_request(501);
  for (int i = 0; i < 1000; ++i) question.mutable_usage()->add_generations(INT64_MAX - i);
  relay_.OnDetailRequest(question);
  const auto down = relay_.NextDown();
  ASSERT_TRUE(down.has_value() && down->detail().has_usage());
  EXPECT_LE(down->ByteSizeLong(), 64U * 1024) << "what a guardian reads";
  EXPECT_EQ(down->detail().usage().generations_size(), 1000);
  relay_.DownSent(*down);
  v1::DetailReply reply;
  reply.set_request(down->detail().request());
  for (const std::int64_t generation : down->detail().usage().generations()) {
    v1::UsageAnswer::Row* row = reply.mutable_usage()->add_rows();
    row->set_generation(generation);
    row->mutable_usage()->set_resident(INT64_MAX);
    row->mutable_usage()->set_cpu_percent(INT32_MAX);
    row->mutable_usage()->set_threads(INT32_MAX);
    row->mutable_usage()->set_descriptors(INT32_MAX);
  }
  EXPECT_LE(reply.ByteSizeLong(), 64U * 1024) << "the link takes 128 KiB";
  relay_.OnDetail(reply);
  const auto up = relay_.NextRequest();
  ASSERT_TRUE(up.has_value() && up->detail().has_usage());
  EXPECT_EQ(up->detail().request(), 501);
  EXPECT_EQ(up->detail().usage().rows_size(), 1000);
  EXPECT_EQ(up->detail().usage().rows(999).generation(), INT64_MAX - 999);
}

TEST_F(RelayTest, TheSameEventsAgainAreNoNews) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  relay_.OnEvents(Events(1, 2));
  relay_.OnEvents(Events(1, 3));
  std::vector<std::int64_t> seqs;
  while (seqs.empty() || seqs.back() < 3) {
    const auto request = relay_.NextRequest();
    ASSERT_TRUE(request.has_value());
    for (const v1::Event& event : request->events().events()) seqs.push_back(event.id().seq());
  }
  EXPECT_EQ(seqs, (std::vector<std::int64_t>{1, 2, 3}));
}

TEST_F(RelayTest, AWelcomeThatIsBehindLeavesTheSessionUnused) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(7)).ok());
  relay_.EndSession();
  EXPECT_EQ(relay_.BeginSession().max_session_epoch(), 7);
  EXPECT_TRUE(absl::IsFailedPrecondition(relay_.OnWelcome(MakeWelcome(6))));
}

TEST_F(RelayTest, AControllerThatIsBehindIsRefusedToldToTheGuardianAndTheRightOneAccepted) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(WelcomeOf("db", 3, "a", 1)).ok());
  relay_.EndSession();
  (void)relay_.BeginSession();
  EXPECT_TRUE(absl::IsFailedPrecondition(relay_.OnWelcome(WelcomeOf("db", 2, "z", 2))));
  relay_.EndSession();
  (void)relay_.BeginSession();
  EXPECT_TRUE(absl::IsFailedPrecondition(relay_.OnWelcome(WelcomeOf("db", 3, "b", 2))));
  relay_.EndSession();
  // Once each, however often the node comes back to them.
  (void)relay_.BeginSession();
  EXPECT_TRUE(absl::IsFailedPrecondition(relay_.OnWelcome(WelcomeOf("db", 2, "z", 3))));
  std::vector<std::string> told;
  while (const auto down = relay_.NextDown()) {
    if (down->has_conflict()) told.push_back(down->conflict().message());
    relay_.DownSent(*down);
  }
  ASSERT_EQ(told.size(), 2U);
  EXPECT_NE(told[0].find("start 2 of database db"), std::string::npos) << told[0];
  EXPECT_NE(told[1].find("two controllers"), std::string::npos) << told[1];
  relay_.EndSession();
  (void)relay_.BeginSession();
  EXPECT_TRUE(relay_.OnWelcome(WelcomeOf("db", 3, "a", 4)).ok());
  relay_.EndSession();
  (void)relay_.BeginSession();
  EXPECT_TRUE(relay_.OnWelcome(WelcomeOf("db", 4, "c", 5)).ok());
}

TEST(RelayFence, SurvivesTheUplink) {
  procctl::testing::TemporaryFolder folder;
  WakeFd wake;
  {
    Relay relay(MakeLinkHello(folder.path()), &wake);
    relay.spool().Start(seconds(5));
    (void)relay.BeginSession();
    ASSERT_TRUE(relay.OnWelcome(WelcomeOf("db", 3, "a", 7)).ok());
    relay.EndSession();
    ASSERT_TRUE(relay.spool().Stop(seconds(10)));
  }
  Relay relay(MakeLinkHello(folder.path()), &wake);
  relay.spool().Start(seconds(5));
  EXPECT_EQ(relay.BeginSession().max_session_epoch(), 7);
  EXPECT_TRUE(absl::IsFailedPrecondition(relay.OnWelcome(WelcomeOf("db", 2, "z", 8))));
  EXPECT_TRUE(relay.OnWelcome(WelcomeOf("db", 3, "a", 9)).ok());
  relay.EndSession();
  ASSERT_TRUE(relay.spool().Stop(seconds(10)));
}

// A disk that cannot be read at first knows better than the session that began meanwhile.
TEST(RelayFence, ASpoolThatIsReadLateEndsASessionWithAControllerThatIsBehind) {
  procctl::testing::TemporaryFolder folder;
  const std::string there = folder.path() + "/there";
  ASSERT_EQ(mkdir(there.c_str(), 0700), 0);
  WakeFd wake;
  {
    Relay relay(MakeLinkHello(there), &wake);
    relay.spool().Start(seconds(5));
    (void)relay.BeginSession();
    ASSERT_TRUE(relay.OnWelcome(WelcomeOf("db", 3, "a", 1)).ok());
    relay.EndSession();
    ASSERT_TRUE(relay.spool().Stop(seconds(10)));
  }
  const std::string away = folder.path() + "/away";
  ASSERT_EQ(rename(there.c_str(), away.c_str()), 0);
  Relay relay(MakeLinkHello(there), &wake);
  relay.spool().Start(seconds(5));
  const v1::Hello hello = relay.BeginSession();
  EXPECT_EQ(hello.held_size(), 0);
  ASSERT_TRUE(relay.OnWelcome(WelcomeOf("db", 2, "z", 2)).ok()) << "memory decides";
  ASSERT_TRUE(relay.OnWelcome(WelcomeOf("db2", 1, "y", 3)).ok()) << "and nobody is shut out";
  ASSERT_TRUE(relay.OnWelcome(WelcomeOf("db", 2, "z", 4)).ok());
  ASSERT_EQ(rename(away.c_str(), there.c_str()), 0);
  // The writer is told that it is over.
  EXPECT_FALSE(relay.NextRequest().has_value());
  (void)relay.BeginSession();
  EXPECT_TRUE(absl::IsFailedPrecondition(relay.OnWelcome(WelcomeOf("db", 2, "z", 5))));
  EXPECT_TRUE(relay.OnWelcome(WelcomeOf("db2", 1, "y", 6)).ok());
  relay.EndSession();
  ASSERT_TRUE(relay.spool().Stop(seconds(10)));
}

TEST_F(RelayTest, HelloSaysWhoseLifeItIsWhatItUnderstandsAndWhatItHolds) {
  const v1::Hello first = relay_.BeginSession();
  EXPECT_EQ(first.instance().size(), 36U);
  EXPECT_EQ(first.held_size(), 0);
  EXPECT_EQ(std::count(first.features().begin(), first.features().end(), "drain"), 1);
  relay_.OnEvents(Events(1, 5));
  const v1::Hello second = relay_.BeginSession();
  EXPECT_EQ(second.instance(), first.instance()) << "one life";
  ASSERT_EQ(second.held_size(), 1);
  EXPECT_EQ(second.held(0).epoch(), 1);
  EXPECT_EQ(second.held(0).first(), 1);
  EXPECT_EQ(second.held(0).last(), 5);
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1, {{1, 3}})).ok());
  const auto acknowledged = [&] {
    const v1::Hello hello = relay_.BeginSession();
    return hello.held_size() == 1 && hello.held(0).first() == 4 && hello.held(0).last() == 5;
  };
  while (!acknowledged()) std::this_thread::yield();
  procctl::testing::TemporaryFolder other;
  Relay next(MakeLinkHello(other.path()), &wake_);
  EXPECT_NE(next.BeginSession().instance(), first.instance());
}

TEST_F(RelayTest, TheGuardiansGoodbyeIsTheLastMessage) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  v1::LinkGoodbye goodbye;
  goodbye.set_reason("stopping");
  relay_.OnGoodbye(goodbye);
  relay_.FinishSession();
  const auto request = relay_.NextRequest();
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->goodbye().reason(), "stopping");
  EXPECT_FALSE(relay_.NextRequest().has_value());
}

TEST_F(RelayTest, WithoutTheGuardiansWordTheSessionEndsWithoutGoodbye) {
  (void)relay_.BeginSession();
  ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(1)).ok());
  relay_.FinishSession();
  EXPECT_FALSE(relay_.NextRequest().has_value());
}

TEST_F(RelayTest, NobodyIsToldGoodbyeWhoHasNotWelcomedThisNode) {
  (void)relay_.BeginSession();
  relay_.OnGoodbye({});
  relay_.FinishSession();
  EXPECT_FALSE(relay_.NextRequest().has_value());
}

// Link, writer, reader and spool at once, with sessions that break: every event arrives once, in
// order, every order reaches the guardian, and no answer reaches a session that did not ask.
// ThreadSanitizer runs this too.
TEST_F(RelayTest, AllThreadsAtOnceLoseAndDoubleNothing) {
  constexpr std::int64_t kEvents = 30'000;
  constexpr int kOrders = 300;
  std::atomic<bool> over = false;
  std::atomic<int> orders_down = 0;
  std::atomic<int> holds_down = 0;
  std::atomic<int> programs_down = 0;
  std::int64_t spooled = 0;

  std::thread link([&] {
    relay_.OnSlots(Snapshot({MakeSlot(1), MakeSlot(2)}));
    std::int64_t next = 1;
    while (!over) {
      if (next <= kEvents && !relay_.paused()) {
        relay_.OnEvents(Events(next, next + 99));
        next += 100;
        relay_.OnSlots(Change({MakeSlot(1 + next % 5, v1::SLOT_STATE_HUNG)}, {2 + next % 3}));
      }
      while (const auto message = relay_.NextDown()) {
        if (message->has_order()) ++orders_down;
        if (message->has_hold()) ++holds_down;
        if (message->has_program()) ++programs_down;
        if (message->has_detail()) {
          v1::DetailReply reply;
          reply.set_request(message->detail().request());
          *reply.mutable_slot()->mutable_slot() = MakeSlot(message->detail().generation());
          relay_.OnDetail(std::move(reply));
        }
        if (message->has_spooled()) spooled = message->spooled().seq();
        relay_.DownSent(*message);
      }
    }
  });

  std::int64_t committed = 0;
  int sent_orders = 0;
  int sent_holds = 0;
  int sent_programs = 0;
  for (std::int64_t session = 1; committed < kEvents || orders_down < kOrders ||
                                 holds_down < sent_holds || programs_down < sent_programs;
       ++session) {
    (void)relay_.BeginSession();
    // What the writer sent and the reader has not yet acknowledged.
    std::atomic<std::int64_t> received = committed;
    std::atomic<bool> broken = false;
    std::thread reader([&] {
      ASSERT_TRUE(relay_.OnWelcome(MakeWelcome(session, {{1, committed}})).ok());
      for (int step = 0; step < 50 && !broken; ++step) {
        if (sent_orders < kOrders) {
          v1::Order order;
          order.set_order_id("r/" + std::to_string(sent_orders++));
          relay_.OnOrder(order);
          v1::HoldOrder hold;
          hold.set_order_id("h/" + std::to_string(sent_holds++));
          relay_.OnHold(hold);
          v1::ProgramOrder program;
          program.set_order_id("p/" + std::to_string(sent_programs++));
          relay_.OnProgram(program);
        }
        v1::DetailRequest question;
        question.set_request(step);
        question.set_generation(session);
        relay_.OnDetailRequest(question);
        if (step == 25) relay_.OnResync({});
        v1::EventAck ack;
        ack.add_cursors()->set_epoch(1);
        committed = received;
        ack.mutable_cursors(0)->set_seq(committed);
        relay_.OnEventAck(ack);
        std::this_thread::yield();
      }
      // Everything that was taken is committed when the session breaks, acknowledged or not.
      relay_.EndSession();
    });
    while (const auto request = relay_.NextRequest()) {
      if (request->has_detail()) {
        EXPECT_EQ(request->detail().slot().slot().incarnation().generation(), session);
      }
      for (const v1::Event& event : request->events().events()) {
        EXPECT_EQ(FirstSeq(event), received + 1);
        received = event.id().seq();
      }
    }
    broken = true;
    reader.join();
    committed = received;
  }
  over = true;
  link.join();
  EXPECT_EQ(committed, kEvents);
  EXPECT_EQ(orders_down, kOrders);
  EXPECT_EQ(holds_down, kOrders);
  EXPECT_EQ(programs_down, kOrders);
  EXPECT_LE(spooled, kEvents);
}

}  // namespace
}  // namespace procctl::uplink
