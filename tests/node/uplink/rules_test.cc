// The small deciders: folds, orders, welcomes.
#include <gtest/gtest.h>

#include "google/protobuf/unknown_field_set.h"
#include "node/uplink/fold_plan.h"
#include "node/uplink/order_journal.h"
#include "node/uplink/order_text.h"
#include "node/uplink/pending_details.h"
#include "node/uplink/pending_orders.h"
#include "node/uplink/time_to_live.h"
#include "node/uplink/unjournaled_orders.h"
#include "node/uplink/welcome_rules.h"
#include "proto/support/time_convert.h"
#include "tests/node/uplink/fixtures.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(FoldByBytes, TakesTheOldestUntilTheRecordAndTheExcessFit) {
  FoldByBytes fold(1'000);
  EXPECT_FALSE(fold.Take(1'000));
  EXPECT_FALSE(fold.Take(511));
  EXPECT_TRUE(fold.Take(1));
  EXPECT_EQ(fold.rows(), 3);
}

TEST(FoldByBytes, WhatIsNoLargerThanARecordStays) {
  FoldByBytes fold(1'000);
  EXPECT_FALSE(fold.Take(FoldByBytes::kRecordBytes));
  EXPECT_EQ(fold.rows(), 0);
}

// ---- Folds

TEST(FoldPlan, NothingGivesWayAtTheLimit) { EXPECT_TRUE(PlanFolds({{1, 100}}, 100).empty()); }

TEST(FoldPlan, OneAboveTheLimitFoldsTwoIntoOne) {
  EXPECT_EQ(PlanFolds({{1, 101}}, 100), (std::vector<Fold>{{1, 2}}));
}

TEST(FoldPlan, OlderEpochsGiveWayFirstAndAreNeverJoined) {
  EXPECT_EQ(PlanFolds({{1, 3}, {2, 50}, {3, 50}}, 90), (std::vector<Fold>{{1, 3}, {2, 12}}));
}

TEST(FoldPlan, AnEpochThatIsOneRecordStays) {
  EXPECT_EQ(PlanFolds({{1, 1}, {2, 10}}, 5), (std::vector<Fold>{{2, 7}}));
  EXPECT_TRUE(PlanFolds({{1, 1}, {2, 1}, {3, 1}}, 2).empty());
}

TEST(FoldPlan, AfterTheFoldsTheLimitHolds) {
  for (std::int64_t limit = 2; limit < 40; ++limit) {
    std::map<std::int64_t, std::int64_t> rows = {{1, 9}, {4, 1}, {7, 20}, {9, 8}};
    for (const Fold& fold : PlanFolds(rows, limit)) rows[fold.epoch] -= fold.rows - 1;
    std::int64_t left = 0;
    for (const auto& [epoch, count] : rows) {
      EXPECT_GE(count, 1);
      left += count;
    }
    EXPECT_EQ(left, std::max<std::int64_t>(4, std::min<std::int64_t>(limit, 38)));
  }
}

TEST(EventNumbers, ARecordWhoseNumbersMakeNoSenseCoversOnlyItsOwn) {
  v1::Event event = MakeLost({kNode, kBoot}, 1, 3, 9, "full", {});
  EXPECT_EQ(FirstSeq(event), 3);
  event.mutable_lost()->set_first_seq(10);
  EXPECT_EQ(FirstSeq(event), 9);
  event.mutable_lost()->set_first_seq(-1);
  EXPECT_EQ(FirstSeq(event), 9);
  EXPECT_EQ(FirstSeq(MakeEvent(1, 4)), 4);
}

// ---- Orders

TEST(OrderJournal, ARepeatWithinOneGuardianGoesAgain) {
  OrderJournal journal;
  EXPECT_EQ(journal.Route("r/1", 7), OrderRoute::kFirst);
  journal.Note({"r/1", 7, false});
  EXPECT_EQ(journal.Route("r/1", 7), OrderRoute::kAgain);
}

TEST(OrderJournal, ARepeatAfterANewGuardianSaysSo) {
  OrderJournal journal;
  journal.Note({"r/1", 7, false});
  EXPECT_EQ(journal.Route("r/1", 8), OrderRoute::kFromEarlierGuardian);
  journal.Note({"r/1", 8, false});
  EXPECT_EQ(journal.Route("r/1", 8), OrderRoute::kFromEarlierGuardian);
}

TEST(OrderJournal, AfterItsVerdictARepeatGoesNowhere) {
  OrderJournal journal;
  journal.Note({"r/1", 7, false});
  journal.NoteVerdict("r/1");
  journal.NoteVerdict("unknown");
  EXPECT_EQ(journal.Route("r/1", 7), OrderRoute::kDecided);
  EXPECT_EQ(journal.Route("r/1", 8), OrderRoute::kDecided);
}

TEST(OrderJournal, ForgetsTheOldestFirst) {
  OrderJournal journal(2);
  journal.Note({"a", 1, false});
  journal.Note({"b", 1, false});
  journal.Note({"c", 1, false});
  EXPECT_EQ(journal.size(), 2u);
  EXPECT_EQ(journal.Route("a", 1), OrderRoute::kFirst);
  EXPECT_EQ(journal.Route("b", 1), OrderRoute::kAgain);
}

v1::Order MakeOrder(const std::string& id, nanoseconds time_to_live) {
  v1::Order order;
  order.set_order_id(id);
  *order.mutable_time_to_live() = ToProto(time_to_live);
  return order;
}

nanoseconds LeftOf(const PendingOrders::Ready& ready) {
  return FromProto(ready.message.order().time_to_live());
}

TEST(PendingOrders, AnOrderGoesWhenItsIntentIsWritten) {
  PendingOrders orders;
  ASSERT_TRUE(orders.Add(MakeOrder("a", seconds(30)), false, 1, At(seconds(0))));
  EXPECT_FALSE(orders.Front(At(milliseconds(1))).has_value());
  orders.IntentsWritten(1);
  const auto ready = orders.Front(At(milliseconds(1)));
  ASSERT_TRUE(ready.has_value());
  EXPECT_TRUE(ready->intent_written);
  EXPECT_EQ(LeftOf(*ready), seconds(30) - milliseconds(1));
  EXPECT_EQ(FromProto(ready->message.expires_at()), At(seconds(30)).time_since_epoch());
}

TEST(PendingOrders, ASlowDiskHoldsItUpForAHundredMillisecondsAndNotLonger) {
  PendingOrders orders;
  ASSERT_TRUE(orders.Add(MakeOrder("a", seconds(30)), true, 1, At(seconds(0))));
  EXPECT_EQ(orders.NextDeadline(), At(kIntentWait));
  EXPECT_FALSE(orders.Front(At(kIntentWait - nanoseconds(1))).has_value());
  const auto ready = orders.Front(At(kIntentWait));
  ASSERT_TRUE(ready.has_value());
  EXPECT_FALSE(ready->intent_written);
  EXPECT_TRUE(ready->message.from_earlier_guardian());
}

TEST(PendingOrders, AnExpiredOrderStillGoesSoThatItEndsInAVerdict) {
  PendingOrders orders;
  ASSERT_TRUE(orders.Add(MakeOrder("a", seconds(1)), false, 0, At(seconds(0))));
  const auto ready = orders.Front(At(seconds(9)));
  ASSERT_TRUE(ready.has_value());
  EXPECT_TRUE(ready->message.order().has_time_to_live());
  EXPECT_EQ(LeftOf(*ready), nanoseconds(0));
  EXPECT_LT(FromProto(ready->message.expires_at()), At(seconds(9)).time_since_epoch());
}

TEST(PendingOrders, TimeToLiveIsThirtySecondsIfUnsetAndFiveMinutesAtMost) {
  PendingOrders orders;
  v1::Order unset;
  unset.set_order_id("a");
  ASSERT_TRUE(orders.Add(unset, false, 0, At(seconds(0))));
  EXPECT_EQ(LeftOf(*orders.Front(At(seconds(0)))), seconds(30));
  orders.Pop();
  ASSERT_TRUE(orders.Add(MakeOrder("b", std::chrono::hours(9)), false, 0, At(seconds(0))));
  EXPECT_EQ(LeftOf(*orders.Front(At(seconds(0)))), std::chrono::minutes(5));
}

TEST(PendingOrders, RefusesMoreThanItsBound) {
  PendingOrders orders(1);
  EXPECT_TRUE(orders.Add(MakeOrder("a", seconds(1)), false, 0, At(seconds(0))));
  EXPECT_FALSE(orders.Add(MakeOrder("b", seconds(1)), false, 0, At(seconds(0))));
}

TEST(UnjournaledOrders, GoInOrderWithWhatIsLeftOfTheirTimeAlsoWhenNothingIs) {
  UnjournaledOrders orders(2);
  v1::HoldOrder order;
  order.set_order_id("h/0");
  *order.mutable_time_to_live() = ToProto(seconds(10));
  ASSERT_TRUE(orders.Add(order, At(seconds(0))));
  order.set_order_id("h/1");
  order.clear_time_to_live();
  ASSERT_TRUE(orders.Add(order, At(seconds(0))));
  EXPECT_FALSE(orders.Add(order, At(seconds(0)))) << "two are the most";
  auto front = orders.Front(At(seconds(4)));
  ASSERT_TRUE(front.has_value());
  EXPECT_EQ(front->hold().order().order_id(), "h/0");
  EXPECT_EQ(FromProto(front->hold().order().time_to_live()), seconds(6));
  EXPECT_EQ(FromProto(front->hold().expires_at()), At(seconds(10)).time_since_epoch());
  front = orders.Front(At(seconds(11)));
  ASSERT_TRUE(front.has_value() && front->hold().order().has_time_to_live());
  EXPECT_EQ(FromProto(front->hold().order().time_to_live()), nanoseconds(0));
  orders.Pop();
  EXPECT_EQ(FromProto(orders.Front(At(seconds(0)))->hold().order().time_to_live()), seconds(30));
  orders.Pop();
  EXPECT_FALSE(orders.Front(At(seconds(0))).has_value());
}

TEST(UnjournaledOrders, OrdersAboutProgramsKeepTheirPlaceAmongHoldsAndExpireAlike) {
  UnjournaledOrders orders(3);
  v1::HoldOrder hold;
  hold.set_order_id("h/0");
  v1::ProgramOrder order;
  order.set_order_id("p/0");
  order.set_action(v1::PROGRAM_ACTION_STOP);
  order.set_program("web@1");
  *order.mutable_time_to_live() = ToProto(seconds(10));
  ASSERT_TRUE(orders.Add(order, At(seconds(0))));
  ASSERT_TRUE(orders.Add(hold, At(seconds(0))));
  order.set_order_id("p/1");
  *order.mutable_time_to_live() = ToProto(std::chrono::hours(1));
  ASSERT_TRUE(orders.Add(order, At(seconds(0))));
  EXPECT_FALSE(orders.Add(order, At(seconds(0)))) << "three are the most";
  auto front = orders.Front(At(seconds(4)));
  ASSERT_TRUE(front.has_value() && front->has_program());
  EXPECT_EQ(front->program().order().order_id(), "p/0");
  EXPECT_EQ(front->program().order().action(), v1::PROGRAM_ACTION_STOP);
  EXPECT_EQ(front->program().order().program(), "web@1");
  EXPECT_EQ(FromProto(front->program().order().time_to_live()), seconds(6));
  EXPECT_EQ(FromProto(front->program().expires_at()), At(seconds(10)).time_since_epoch());
  front = orders.Front(At(seconds(11)));
  ASSERT_TRUE(front.has_value() && front->program().order().has_time_to_live());
  EXPECT_EQ(FromProto(front->program().order().time_to_live()), nanoseconds(0));
  orders.Pop();
  EXPECT_EQ(orders.Front(At(seconds(0)))->hold().order().order_id(), "h/0");
  orders.Pop();
  EXPECT_EQ(FromProto(orders.Front(At(seconds(0)))->program().order().time_to_live()),
            kMaxTimeToLive);
}

TEST(OrderText, AProgramOrderFitsTheLinkAndNamesNoLifeWhereNoneWasNamed) {
  v1::ProgramOrder order;
  order.set_order_id(std::string(100'000, 'i'));
  order.set_program(std::string(100'000, 'p'));
  order.set_issuer(std::string(100'000, 's'));
  order.set_reason(std::string(100'000, 'r'));
  FitForLink(&order);
  EXPECT_FALSE(order.has_incarnation());
  EXPECT_LE(order.ByteSizeLong(), 16U * 1024);
  order.mutable_incarnation()->set_boot_id(std::string(100'000, 'b'));
  FitForLink(&order);
  EXPECT_LE(order.ByteSizeLong(), 32U * 1024);
}

TEST(OrderText, AQuestionForOutputFitsTheLink) {
  v1::DetailRequest request;
  request.mutable_output()->set_program(std::string(100'000, 'p'));
  request.mutable_output()->set_cursor(std::string(100'000, 'c'));
  FitForLink(&request);
  EXPECT_LE(request.ByteSizeLong(), 16U * 1024);
  v1::DetailRequest plain;
  FitForLink(&plain);
  EXPECT_FALSE(plain.has_output()) << "it would be another question";
}

TEST(OrderText, AQuestionForUsageFitsTheLinkAndMoreThanAThousandStayMore) {
  v1::DetailRequest request;
  for (int i = 0; i < 1000; ++i) request.mutable_usage()->add_generations(INT64_MAX);
  FitForLink(&request);
  EXPECT_EQ(request.usage().generations_size(), 1000);
  for (int i = 0; i < 99'000; ++i) request.mutable_usage()->add_generations(INT64_MAX);
  FitForLink(&request);
  EXPECT_EQ(request.usage().generations_size(), 1001) << "which the guardian refuses";
  EXPECT_LE(request.ByteSizeLong(), 16U * 1024);
}

v1::DetailRequest MakeQuestion(std::int64_t request, std::int64_t generation) {
  v1::DetailRequest question;
  question.set_request(request);
  question.set_generation(generation);
  return question;
}

TEST(PendingDetails, AnAnswerGoesBackUnderTheNumberOfItsAsker) {
  PendingDetails details;
  ASSERT_TRUE(details.Add(MakeQuestion(70, 7), At(seconds(0))));
  ASSERT_TRUE(details.Add(MakeQuestion(80, 8), At(seconds(0))));
  const auto first = details.Front(At(seconds(0)));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->generation(), 7);
  EXPECT_EQ(details.Front(At(seconds(0)))->request(), first->request()) << "until it is asked";
  details.Asked(*first);
  const auto second = details.Front(At(seconds(0)));
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->generation(), 8);
  details.Asked(*second);
  EXPECT_FALSE(details.Front(At(seconds(0))).has_value());
  v1::DetailReply reply;
  reply.set_request(second->request());
  EXPECT_EQ(details.Answer(reply, At(seconds(1)))->request(), 80);
  EXPECT_FALSE(details.Answer(reply, At(seconds(1))).has_value()) << "once";
  EXPECT_EQ(details.size(), 1u);
}

TEST(PendingDetails, AQuestionForOutputIsAskedAsItCame) {
  PendingDetails details;
  v1::DetailRequest question;
  question.set_request(70);
  question.mutable_output()->set_program("web@1");
  question.mutable_output()->set_cursor("stdout:17");
  *question.mutable_output()->mutable_wait() = ToProto(seconds(3));
  ASSERT_TRUE(details.Add(question, At(seconds(0))));
  const auto asked = details.Front(At(seconds(0)));
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->output().program(), "web@1");
  EXPECT_EQ(asked->output().cursor(), "stdout:17");
  EXPECT_EQ(FromProto(asked->output().wait()), seconds(3));
  details.Asked(*asked);
  v1::DetailReply reply;
  reply.set_request(asked->request());
  reply.mutable_output()->set_data("line");
  // The guardian waited as long as it may.
  const auto answer = details.Answer(reply, At(seconds(3)));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->request(), 70);
  EXPECT_EQ(answer->output().data(), "line");
}

TEST(PendingDetails, AnAnswerAfterItsSessionAnswersNoQuestionOfTheNext) {
  PendingDetails details;
  ASSERT_TRUE(details.Add(MakeQuestion(1, 7), At(seconds(0))));
  const auto old = details.Front(At(seconds(0)));
  details.Clear();
  details.Asked(*old);  // The link was just sending it.
  ASSERT_TRUE(details.Add(MakeQuestion(1, 8), At(seconds(0))));
  v1::DetailReply late;
  late.set_request(old->request());
  EXPECT_FALSE(details.Answer(late, At(seconds(0))).has_value());
  EXPECT_EQ(details.Front(At(seconds(0)))->generation(), 8);
}

TEST(PendingDetails, WhatIsOverdueIsNotAskedAndMakesRoom) {
  PendingDetails details(1);
  ASSERT_TRUE(details.Add(MakeQuestion(1, 7), At(seconds(0))));
  EXPECT_FALSE(details.Add(MakeQuestion(2, 8), At(kDetailPatience)));
  EXPECT_TRUE(details.Front(At(kDetailPatience)).has_value());
  EXPECT_FALSE(details.Front(At(kDetailPatience + nanoseconds(1))).has_value());
  EXPECT_TRUE(details.Add(MakeQuestion(2, 8), At(kDetailPatience + nanoseconds(1))));
}

TEST(OrderText, LongTextsAreCutAtACharacterAndFitThePacket) {
  v1::Order order;
  order.set_order_id(std::string(200'000, 'x'));
  for (int i = 0; i < 3'000; ++i)
    order.mutable_reason()->append("\xe2\x82\xac");  // Three bytes each.
  order.set_issuer(std::string(200'000, 'y'));
  FitForLink(&order);
  EXPECT_EQ(order.reason().size() % 3, 0u);
  EXPECT_EQ(order.reason().size(), 4095u);
  EXPECT_LT(order.ByteSizeLong(), 60u * 1024);
  EXPECT_FALSE(IsOrderId(order.order_id()));
}

TEST(OrderText, WhatThisVersionDoesNotKnowTakesNoRoomInThePacket) {
  v1::Order order;
  order.set_order_id("a");
  for (google::protobuf::Message* message :
       {static_cast<google::protobuf::Message*>(&order),
        static_cast<google::protobuf::Message*>(order.mutable_incarnation())}) {
    message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(
        1000, std::string(100'000, 'x'));
  }
  FitForLink(&order);
  EXPECT_LT(order.ByteSizeLong(), 60u * 1024);
  EXPECT_EQ(order.order_id(), "a");
}

TEST(OrderText, AnOrderIdIsShortPrintableAscii) {
  EXPECT_TRUE(IsOrderId("0192f0c1-7e2a/3"));
  EXPECT_TRUE(IsOrderId(std::string(128, 'a')));
  EXPECT_FALSE(IsOrderId(std::string(129, 'a')));
  EXPECT_FALSE(IsOrderId(""));
  EXPECT_FALSE(IsOrderId("a\nb"));
  EXPECT_FALSE(IsOrderId("caf\xc3\xa9"));
}

// ---- Welcome

TEST(WelcomeRules, NonsenseIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(MakeWelcome(0))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(MakeWelcome(1, {{0, 3}}))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(MakeWelcome(1, {{1, -3}}))));
  v1::Welcome newer = MakeWelcome(1);
  newer.set_protocol(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckWelcome(newer)));
}

TEST(WelcomeRules, AHistoryIsNamedWholeOrNotAtAll) {
  EXPECT_TRUE(CheckWelcome(MakeWelcome(1)).ok()) << "a controller before this protocol";
  EXPECT_TRUE(CheckWelcome(WelcomeOf("db", 1, "a")).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(WelcomeOf("db", 0, "a"))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(WelcomeOf("db", -1, "a"))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(WelcomeOf("db", 1, ""))));
  EXPECT_TRUE(CheckWelcome(WelcomeOf(std::string(128, 'd'), 1, std::string(128, 'r'))).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(WelcomeOf(std::string(129, 'd'), 1, "a"))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckWelcome(WelcomeOf("db", 1, std::string(129, 'r')))));
}

}  // namespace
}  // namespace procctl::uplink
