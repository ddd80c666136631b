// What the uplink is told, and when.
#include "node/guardian/uplink_link.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "node/os/seqpacket.h"

namespace procctl::node {
namespace {

// Counts what a guardian that is killed now would take with it.
class CountingJournal final : public Journal {
 public:
  void Put(v1::StateRecord /*record*/) override { ++waiting_; }
  void Commit() override { waiting_ = 0; }
  int waiting() const { return waiting_; }

 private:
  int waiting_ = 0;
};

class UplinkLinkTest : public ::testing::Test {
 protected:
  UplinkLinkTest()
      : poller_(*Poller::Create()),
        log_("n1", "boot", 42, &journal_),
        table_("boot", SlotRuleBook(), cells_, histories_, &journal_),
        link_(
            &table_, &log_, &journal_, &poller_,
            {.order =
                 [this](const v1::LinkOrder& /*order*/) {
                   log_.Record(MakeEvent(v1::EVENT_KIND_VERDICT, v1::SEVERITY_INFO, "gone"));
                 },
             .hold = [](const v1::LinkHoldOrder& /*order*/) {},
             .program = [](const v1::LinkProgramOrder& /*order*/) {},
             .detail = [](const v1::DetailRequest& /*request*/) { return v1::DetailReply(); }},
            {.after = [](const std::string& /*label*/) -> std::optional<v1::Program> { return {}; },
             .find = [](const std::string& /*label*/) -> std::optional<v1::Program> {
               return {};
             }}) {
    table_.Listen({.changed = [](const Slot& /*slot*/) {},
                   .removed = [](const Slot& /*slot*/) {},
                   .forgotten = [](Process& /*process*/) {}});
  }
  void SetUp() override {
    SocketPair pair = *MakeSocketPair();
    uplink_ = std::move(pair.theirs);
    ASSERT_TRUE(link_.Connect(std::move(pair.ours), v1::LinkHello()).ok());
    EXPECT_EQ(Events(), 0);
  }

  // Everything that was sent to the uplink and not read yet.
  std::vector<v1::LinkUp> Sent() {
    std::vector<v1::LinkUp> messages;
    for (;;) {
      const auto packet = Receive(uplink_.get(), 128 * 1024);
      if (!packet.ok()) return messages;
      EXPECT_TRUE(messages.emplace_back().ParseFromString(packet->bytes));
    }
  }
  // How many events the uplink finds in what was sent to it.
  int Events() {
    int events = 0;
    for (const v1::LinkUp& message : Sent()) events += message.events().events_size();
    return events;
  }
  void Say(const v1::LinkDown& message) {
    ASSERT_TRUE(Send(uplink_.get(), message.SerializeAsString()).ok());
    EXPECT_EQ(poller_.Wait(1000), 1);
  }

  CountingJournal journal_;
  Poller poller_;
  std::array<HeartCell, 4> cells_;
  std::array<HeartHistory, 4> histories_;
  EventLog log_;
  Table table_;
  UplinkLink link_;
  UniqueFd uplink_;
};

TEST_F(UplinkLinkTest, WhatItIsToldIsKeptBefore) {
  log_.Record(MakeEvent(v1::EVENT_KIND_VERDICT, v1::SEVERITY_INFO, "killed"));
  ASSERT_EQ(journal_.waiting(), 1);
  link_.Pump();
  EXPECT_EQ(Events(), 1);
  EXPECT_EQ(journal_.waiting(), 0);
}

TEST_F(UplinkLinkTest, AnAnswerWithinTheSameTurnIsKeptBeforeItIsTold) {
  v1::LinkDown order;
  order.mutable_order()->mutable_order()->set_order_id("r/0");
  Say(order);
  ASSERT_EQ(Events(), 1);
  EXPECT_EQ(journal_.waiting(), 0)
      << "a guardian killed now would give the same verdict again, under another number";
}

TEST_F(UplinkLinkTest, WhatWaitedForItsTurnIsKeptThoughTheUplinkSpeaksFirst) {
  log_.Record(MakeEvent(v1::EVENT_KIND_VERDICT, v1::SEVERITY_INFO, "killed"));
  v1::LinkDown spooled;
  spooled.mutable_spooled()->set_epoch(41);
  Say(spooled);
  ASSERT_EQ(Events(), 1);
  EXPECT_EQ(journal_.waiting(), 0);
}

TEST_F(UplinkLinkTest, ARefusedControllerIsRecordedOnceAMinuteHoweverOftenTheUplinkSaysSo) {
  v1::LinkDown conflict;
  conflict.mutable_conflict()->set_message("controller \"c\" is behind\n" +
                                           std::string(10'000, 'x'));
  Say(conflict);
  Say(conflict);
  std::vector<v1::Event> events;
  for (const v1::LinkUp& message : Sent()) {
    events.insert(events.end(), message.events().events().begin(), message.events().events().end());
  }
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind(), v1::EVENT_KIND_IDENTITY_CONFLICT);
  EXPECT_EQ(events[0].severity(), v1::SEVERITY_ALARM);
  EXPECT_NE(events[0].message().find("refused a controller: controller \"c\" is behind"),
            std::string::npos)
      << events[0].message();
  EXPECT_EQ(events[0].message().find('\n'), std::string::npos) << "what it says is shown to people";
  EXPECT_LT(events[0].message().size(), 2'000U);
}

TEST_F(UplinkLinkTest, GoodbyeIsTheLastMessageOfAll) {
  log_.Record(MakeEvent(v1::EVENT_KIND_GUARDIAN_STOPPED, v1::SEVERITY_WARNING, "stopped"));
  link_.Pump();
  link_.SayGoodbye("stopping");
  link_.Disconnect();
  const std::vector<v1::LinkUp> sent = Sent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].events().events_size(), 1);
  EXPECT_EQ(sent[1].goodbye().reason(), "stopping");
}

TEST_F(UplinkLinkTest, WithoutAnUplinkGoodbyeGoesNowhere) {
  link_.Disconnect();
  link_.SayGoodbye("stopping");
  EXPECT_TRUE(Sent().empty());
}

}  // namespace
}  // namespace procctl::node
