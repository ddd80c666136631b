// What becomes of what is asked at the local socket.
#include "node/guardian/control_desk.h"

#include <gmock/gmock.h>

#include "proto/support/time_convert.h"
#include "tests/node/guardian/control_test_door.h"

namespace procctl::node {
namespace {

using ::testing::HasSubstr;

TEST_F(ControlTest, AnOrderIsTakenInTheNameOfWhoConnected) {
  Person person = Come();
  person.Say(Kill(1, "r/0"));
  v1::LocalRequest hold;
  hold.set_request(2);
  hold.mutable_order()->mutable_hold()->set_order_id("r/1");
  hold.mutable_order()->mutable_hold()->set_issuer("operator/somebody-else");
  person.Say(hold);
  v1::LocalRequest start;
  start.set_request(3);
  start.mutable_order()->mutable_program()->set_order_id("r/2");
  start.mutable_order()->mutable_program()->set_action(v1::PROGRAM_ACTION_START);
  *start.mutable_order()->mutable_expires_at() = ToProto(std::chrono::seconds(77));
  person.Say(start);
  Turn();
  const std::string me = geteuid() == 0 ? "local/root" : "local/tester";
  ASSERT_EQ(kills_.size(), 1U);
  ASSERT_EQ(holds_.size(), 1U);
  ASSERT_EQ(orders_.size(), 1U);
  EXPECT_EQ(kills_[0].order().issuer(), me);
  EXPECT_EQ(holds_[0].order().issuer(), me);
  EXPECT_EQ(orders_[0].order().issuer(), me);
  EXPECT_EQ(orders_[0].order().action(), v1::PROGRAM_ACTION_START);
  EXPECT_FALSE(kills_[0].from_earlier_guardian());
  // Whoever names no end gets one: nothing is executed late.
  EXPECT_GT(FromProto(kills_[0].expires_at()), SinceBoot());
  EXPECT_EQ(FromProto(orders_[0].expires_at()), std::chrono::seconds(77));
}

TEST_F(ControlTest, AnOrderIsFollowedToItsEnd) {
  Person person = Come();
  Person other = Come();
  person.Say(Kill(9, "r/0"));
  Turn();
  EXPECT_FALSE(person.Hear());
  Happen(v1::EVENT_KIND_TERM_SENT, "r/0");
  Happen(v1::EVENT_KIND_EVIDENCE, "r/0");  // for the record alone
  Happen(v1::EVENT_KIND_TERM_SENT, "somebody/0");
  Happen(v1::EVENT_KIND_TERM_SENT, "");
  End("r/0");
  Happen(v1::EVENT_KIND_HOLD_ENDED, "r/0");  // nobody waits any more
  Turn();
  const auto term = person.Hear();
  ASSERT_TRUE(term);
  EXPECT_EQ(term->request(), 9);
  EXPECT_FALSE(term->last());
  EXPECT_EQ(term->event().kind(), v1::EVENT_KIND_TERM_SENT);
  EXPECT_GT(term->event().id().seq(), 0) << "complete, as it is on record";
  const auto end = person.Hear();
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->last());
  EXPECT_EQ(end->event().verdict(), v1::VERDICT_KILLED);
  EXPECT_FALSE(person.Hear());
  EXPECT_FALSE(other.Hear());
  // The number is free again.
  person.Say(Kill(9, "r/1"));
  Turn();
  EXPECT_EQ(kills_.size(), 2U);
}

TEST_F(ControlTest, EveryKindOfEndEndsAnOrder) {
  Person person = Come();
  int64_t number = 0;
  for (const v1::EventKind kind : {v1::EVENT_KIND_VERDICT, v1::EVENT_KIND_HOLD_PLACED,
                                   v1::EVENT_KIND_HOLD_ENDED, v1::EVENT_KIND_PROGRAM_ORDERED,
                                   v1::EVENT_KIND_CONFIG_APPLIED, v1::EVENT_KIND_CONFIG_REFUSED}) {
    const std::string id = "r/" + std::to_string(++number);
    person.Say(Kill(number, id));
    Turn();
    Happen(kind, id);
    Turn();
    const auto end = person.Hear();
    ASSERT_TRUE(end && end->last()) << v1::EventKind_Name(kind);
  }
}

TEST_F(ControlTest, ARepeatDoesNothingAndIsToldTheSameEnd) {
  ends_at_once_ = true;
  Person person = Come();
  const v1::LocalReply first = Ask(person, Kill(1, "r/0"));
  EXPECT_EQ(first.event().verdict(), v1::VERDICT_KILLED);
  // The uplink has it: the ring knows nothing of it any more.
  log_.Spooled(42, log_.ring().last_seq());
  ASSERT_TRUE(log_.ring().events().empty());
  const v1::LocalReply again = Ask(person, Kill(2, "r/0"));
  EXPECT_EQ(kills_.size(), 1U);
  EXPECT_TRUE(again.last());
  EXPECT_EQ(again.event().SerializeAsString(), first.event().SerializeAsString());
}

TEST_F(ControlTest, ARepeatOfWhatIsUnderWayWaitsForTheSameEnd) {
  {
    Person gone = Come();
    gone.Say(Kill(1, "r/0"));
    Turn();
  }
  Turn();
  EXPECT_EQ(door_.connections(), 0U);
  Person person = Come();
  person.Say(Kill(1, "r/0"));
  Turn();
  EXPECT_FALSE(person.Hear());
  End("r/0");
  Turn();
  EXPECT_EQ(person.Hear().value_or(v1::LocalReply()).event().verdict(), v1::VERDICT_KILLED);
  EXPECT_EQ(kills_.size(), 1U);
}

TEST_F(ControlTest, OrdersOfAnEarlierGuardianAreKnown) {
  for (const char* id : {"r/under-way", "r/waiting", "r/over"}) ASSERT_TRUE(ledger_.Take(id));
  taken_up_ = {"r/under-way"};
  End("r/waiting");  // not spooled yet
  Person person = Come();
  person.Say(Kill(1, "r/under-way"));
  Turn();
  EXPECT_FALSE(person.Hear());
  End("r/under-way");
  Turn();
  EXPECT_TRUE(person.Hear().value_or(v1::LocalReply()).has_event());
  EXPECT_EQ(Ask(person, Kill(2, "r/waiting")).event().verdict(), v1::VERDICT_KILLED);
  // How it ended is with the controller, if anywhere.
  const v1::LocalReply over = Ask(person, Kill(3, "r/over"));
  EXPECT_EQ(over.error().kind(), v1::LOCAL_ERROR_KIND_REFUSED);
  EXPECT_THAT(over.error().message(), HasSubstr("nothing was done again"));
  EXPECT_TRUE(kills_.empty());
}

TEST_F(ControlTest, WhatIsUnknownOrWouldNotFitARecordIsRefused) {
  Person person = Come();
  v1::LocalRequest no_id = Kill(1, "");
  v1::LocalRequest bad_id = Kill(2, "two words");
  v1::LocalRequest long_reason = Kill(3, "r/0");
  long_reason.mutable_order()->mutable_kill()->set_reason(std::string(1001, 'x'));
  v1::LocalRequest long_name = Kill(4, "r/0");
  long_name.mutable_order()->mutable_kill()->set_slot(std::string(1025, 'x'));
  v1::LocalRequest nothing;
  nothing.set_request(5);
  nothing.mutable_order();
  v1::LocalRequest of_the_future;
  of_the_future.set_request(6);
  for (const auto& request : {no_id, bad_id, long_reason, long_name, nothing, of_the_future}) {
    const v1::LocalReply reply = Ask(person, request);
    EXPECT_EQ(reply.request(), request.request());
    EXPECT_TRUE(reply.last());
    EXPECT_EQ(reply.error().kind(), v1::LOCAL_ERROR_KIND_REFUSED);
  }
  EXPECT_TRUE(kills_.empty());
  EXPECT_FALSE(ledger_.Knows("r/0"));
}

TEST_F(ControlTest, ListsComeInPagesThatFit) {
  constexpr int kRows = 300;
  for (int i = 1; i <= kRows; ++i) {
    v1::Slot& slot = slots_[i];
    slot.mutable_incarnation()->set_generation(i);
    slot.set_note(std::string(500, 'x'));
    v1::Program& program = programs_["p" + std::to_string(1000 + i)];
    program.set_label("p" + std::to_string(1000 + i));
    program.set_message(std::string(500, 'x'));
  }
  Person person = Come();
  v1::LocalRequest request;
  int pages = 0;
  int rows = 0;
  bool more = true;
  while (more) {
    request.set_request(++pages);
    request.mutable_slots();
    const v1::LocalReply reply = Ask(person, request);
    ASSERT_GT(reply.slots().slots_size(), 0);
    EXPECT_LT(reply.ByteSizeLong(), 64U * 1024);
    for (const v1::Slot& slot : reply.slots().slots()) {
      EXPECT_EQ(slot.incarnation().generation(), ++rows);
    }
    request.mutable_slots()->set_after_generation(rows);
    more = reply.slots().more();
  }
  EXPECT_EQ(rows, kRows);
  EXPECT_GT(pages, 2);
  std::set<std::string> labels;
  std::string last;
  do {
    request.set_request(++pages);
    request.mutable_programs()->set_after_label(last);
    const v1::LocalReply reply = Ask(person, request);
    ASSERT_GT(reply.programs().programs_size(), 0);
    for (const v1::Program& program : reply.programs().programs()) labels.insert(program.label());
    last = *labels.rbegin();
    more = reply.programs().more();
  } while (more);
  EXPECT_EQ(labels.size(), static_cast<size_t>(kRows));
}

TEST_F(ControlTest, AnEmptyTableIsAnEmptyPage) {
  Person person = Come();
  v1::LocalRequest request;
  request.set_request(1);
  request.mutable_slots();
  const v1::LocalReply reply = Ask(person, request);
  EXPECT_TRUE(reply.has_slots());
  EXPECT_FALSE(reply.slots().more());
}

TEST_F(ControlTest, ADetailComesToWhoAskedAndToNobodyElse) {
  Person first = Come();
  Person second = Come();
  v1::LocalRequest request;
  request.set_request(7);
  request.mutable_detail()->set_request(-1);  // its own number is ignored
  request.mutable_detail()->set_generation(3);
  first.Say(request);
  second.Say(request);
  Turn();
  ASSERT_EQ(questions_.size(), 2U);
  EXPECT_LT(questions_[0].request(), 0) << "above zero are the uplink's";
  EXPECT_NE(questions_[0].request(), questions_[1].request());
  v1::DetailReply reply;
  reply.set_request(questions_[1].request());
  reply.mutable_output()->set_data("hello");
  desk_.Answer(reply);
  desk_.Answer(reply);  // nobody waits for it any more
  reply.set_request(-1000);
  desk_.Answer(reply);
  Turn();
  EXPECT_FALSE(first.Hear());
  const auto heard = second.Hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->request(), 7);
  EXPECT_EQ(heard->detail().output().data(), "hello");
  EXPECT_FALSE(second.Hear());
}

TEST_F(ControlTest, ADetailThatNeverComesIsGivenUp) {
  Person person = Come();
  v1::LocalRequest request;
  request.set_request(7);
  request.mutable_detail();
  person.Say(request);
  Turn();
  desk_.Expire(MonoNow());
  Turn();
  EXPECT_FALSE(person.Hear());
  desk_.Expire(MonoNow() + std::chrono::seconds(11));
  Turn();
  EXPECT_EQ(person.Hear().value_or(v1::LocalReply()).error().kind(), v1::LOCAL_ERROR_KIND_BUSY);
}

}  // namespace
}  // namespace procctl::node
