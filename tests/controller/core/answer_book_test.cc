#include "controller/core/answer_book.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

OrderRequest MakeHold(const std::string& id, const std::vector<std::string>& nodes) {
  OrderRequest request;
  request.id = id;
  request.act = Act::kHold;
  request.issuer = "operator/alice";
  request.reason = "migration";
  request.hold_for = seconds(600);
  request.time_to_live = seconds(10);
  for (const std::string& node : nodes) {
    OrderTarget& target = request.targets.emplace_back();
    target.node = node;
    target.label = "encoder";
    target.incarnation.set_generation(7);
  }
  return request;
}

v1::Event Answer(const std::string& node, const std::string& order,
                 v1::EventKind kind = v1::EVENT_KIND_HOLD_PLACED) {
  v1::Event event;
  event.set_node(node);
  event.set_kind(kind);
  event.set_order_id(order);
  return event;
}

OrderRequest MakeRestart(const std::string& id, const std::vector<std::string>& nodes) {
  OrderRequest request = MakeHold(id, nodes);
  request.act = Act::kProgramRestart;
  request.hold_for.reset();
  for (OrderTarget& target : request.targets) {
    target.label = "web@1";
    target.incarnation.Clear();
    target.any_life = true;
  }
  return request;
}

class AnswerBookTest : public ::testing::Test {
 protected:
  void Begin(const OrderRequest& request, bool recorded = true) {
    ASSERT_TRUE(book_.Begin(request, recorded, now_).ok());
  }

  MonoTime now_{std::chrono::hours(1)};
  AnswerBook book_;
};

TEST_F(AnswerBookTest, IsFinishedWhenAllTargetsAreAnswered) {
  Begin(MakeHold("h", {"a", "b"}));
  v1::Event held = Answer("a", "h/0");
  held.mutable_hold_until()->set_seconds(4'000);
  EXPECT_FALSE(book_.OnCommitted(held).has_value());
  v1::Event refused = Answer("b", "h/1", v1::EVENT_KIND_VERDICT);
  refused.set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
  refused.set_message("another process");
  const auto finished = book_.OnCommitted(refused);
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->request_id, "h");
  ASSERT_EQ(finished->outcomes.size(), 2U);
  EXPECT_TRUE(finished->outcomes[0].done);
  EXPECT_EQ(finished->outcomes[0].order_id, "h/0");
  EXPECT_EQ(ToProto(*finished->outcomes[0].until).seconds(), 4'000);
  EXPECT_FALSE(finished->outcomes[1].done);
  EXPECT_EQ(finished->outcomes[1].verdict, v1::VERDICT_IDENTITY_MISMATCH);
  EXPECT_EQ(finished->outcomes[1].message, "another process");
  EXPECT_EQ(book_.requests(), 0U);
  EXPECT_EQ(book_.targets(), 0U);
}

TEST_F(AnswerBookTest, IsFinishedOnlyWhenItIsRecordedToo) {
  Begin(MakeHold("h", {"a"}), /*recorded=*/false);
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "h/0")).has_value());
  const auto finished = book_.OnRecorded("h");
  ASSERT_TRUE(finished.has_value());
  EXPECT_TRUE(finished->outcomes[0].done);
  EXPECT_FALSE(book_.OnRecorded("h").has_value()) << "once";
}

TEST_F(AnswerBookTest, OnlyTheFirstAnswerOfTheTargetsOwnNodeCounts) {
  Begin(MakeHold("h", {"a", "a"}));
  EXPECT_FALSE(book_.OnCommitted(Answer("b", "h/0")).has_value());
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "h/0", v1::EVENT_KIND_HELD)).has_value());
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "h/2")).has_value());
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "other/0")).has_value());
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "")).has_value());
  EXPECT_EQ(book_.OrdersOf("h", now_).size(), 2U) << "nothing is answered yet";
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "h/0")).has_value());
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "h/0", v1::EVENT_KIND_VERDICT)).has_value());
  const auto finished = book_.OnCommitted(Answer("a", "h/1"));
  ASSERT_TRUE(finished.has_value());
  EXPECT_TRUE(finished->outcomes[0].done);
}

TEST_F(AnswerBookTest, ALongMessageIsCutAtACharacter) {
  Begin(MakeHold("h", {"a"}));
  v1::Event refused = Answer("a", "h/0", v1::EVENT_KIND_VERDICT);
  for (int i = 0; i < 1000; ++i) refused.mutable_message()->append("\xe2\x82\xac");  // Three bytes.
  EXPECT_EQ(book_.OnCommitted(refused)->outcomes[0].message.size(), 999U);
}

TEST_F(AnswerBookTest, OrdersSayAllOfTheRequestAndWhatIsLeftOfTheirTime) {
  Begin(MakeHold("h", {"a", "b"}));
  now_ += seconds(4);
  auto orders = book_.OrdersFor("b", now_);
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].target, 1U);
  const auto& order = std::get<v1::HoldOrder>(orders[0].order);
  EXPECT_EQ(order.order_id(), "h/1");
  EXPECT_EQ(order.slot(), "encoder");
  EXPECT_EQ(order.incarnation().generation(), 7);
  EXPECT_FALSE(order.release());
  EXPECT_EQ(FromProto(order.hold_for()), seconds(600));
  EXPECT_EQ(FromProto(order.time_to_live()), seconds(6));
  EXPECT_EQ(order.issuer(), "operator/alice");
  EXPECT_EQ(order.reason(), "migration");
  EXPECT_EQ(book_.OrdersFor("b", now_ + seconds(6) - nanoseconds(1)).size(), 1U);
  EXPECT_TRUE(book_.OrdersFor("b", now_ + seconds(6)).empty());
  (void)book_.OnCommitted(Answer("b", "h/1"));
  EXPECT_TRUE(book_.OrdersFor("b", now_).empty()) << "what is answered is not sent again";
}

TEST_F(AnswerBookTest, EitherTheNodeAnswersOrTheControllerRefusesNeverBoth) {
  Begin(MakeHold("h", {"a", "b"}));
  EXPECT_TRUE(book_.Refuse("h", 0));
  EXPECT_TRUE(book_.OrdersFor("a", now_).empty()) << "its refusal is on its way into the log";
  ASSERT_EQ(book_.OrdersFor("b", now_).size(), 1U);
  EXPECT_FALSE(book_.Refuse("h", 1)) << "the node came back and has it";
}

TEST_F(AnswerBookTest, OverdueIsOneNanosecondAfterTimeToLiveAndSlack) {
  Begin(MakeHold("h", {"a", "b"}));
  (void)book_.OnCommitted(Answer("a", "h/0"));
  now_ += seconds(10) + AnswerBook::kSlack;
  EXPECT_TRUE(book_.Expire(now_).empty());
  const auto finished = book_.Expire(now_ + nanoseconds(1));
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_TRUE(finished[0].outcomes[0].done) << "what was answered stays";
  EXPECT_FALSE(finished[0].outcomes[1].done);
  EXPECT_EQ(finished[0].outcomes[1].verdict, v1::VERDICT_UNSPECIFIED);
  EXPECT_NE(finished[0].outcomes[1].message, "");
  EXPECT_EQ(book_.targets(), 0U);
}

TEST_F(AnswerBookTest, AnAnswerToWhatCouldNotBeRecordedIsNotTold) {
  Begin(MakeHold("h", {"a"}), /*recorded=*/false);
  (void)book_.OnCommitted(Answer("a", "h/0"));
  const auto finished = book_.Expire(now_ + seconds(3600));
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_FALSE(finished[0].outcomes[0].done);
  EXPECT_EQ(finished[0].outcomes[0].order_id, "h/0");
  EXPECT_NE(finished[0].outcomes[0].message.find("disk"), std::string::npos);
}

TEST_F(AnswerBookTest, AnOrderAboutAProgramSaysAllOfTheRequest) {
  OrderRequest request = MakeRestart("p", {"a", "a"});
  request.targets[1].any_life = false;
  request.targets[1].incarnation.set_generation(7);
  Begin(request);
  now_ += seconds(4);
  const auto orders = book_.OrdersOf("p", now_);
  ASSERT_EQ(orders.size(), 2U);
  const auto& order = std::get<v1::ProgramOrder>(orders[0].order);
  EXPECT_EQ(order.order_id(), "p/0");
  EXPECT_EQ(order.action(), v1::PROGRAM_ACTION_RESTART);
  EXPECT_EQ(order.program(), "web@1");
  EXPECT_FALSE(order.has_incarnation()) << "whichever life it is in";
  EXPECT_EQ(FromProto(order.time_to_live()), seconds(6));
  EXPECT_EQ(order.issuer(), "operator/alice");
  EXPECT_EQ(order.reason(), "migration");
  EXPECT_EQ(std::get<v1::ProgramOrder>(orders[1].order).incarnation().generation(), 7);
}

TEST_F(AnswerBookTest, EachActHasItsActionAndOnlyItsOwnEventsAnswerIt) {
  const std::vector<v1::EventKind> kinds = {
      v1::EVENT_KIND_HOLD_PLACED, v1::EVENT_KIND_HOLD_ENDED, v1::EVENT_KIND_PROGRAM_ORDERED,
      v1::EVENT_KIND_CONFIG_APPLIED, v1::EVENT_KIND_CONFIG_REFUSED};
  struct Case {
    Act act;
    v1::ProgramAction action;
    std::vector<v1::EventKind> answers;
  };
  const std::vector<v1::EventKind> ordered = {v1::EVENT_KIND_PROGRAM_ORDERED};
  for (const Case& each :
       std::vector<Case>{{Act::kProgramStart, v1::PROGRAM_ACTION_START, ordered},
                         {Act::kProgramStop, v1::PROGRAM_ACTION_STOP, ordered},
                         {Act::kProgramRestart, v1::PROGRAM_ACTION_RESTART, ordered},
                         {Act::kProgramRetry, v1::PROGRAM_ACTION_RETRY, ordered},
                         {Act::kReload,
                          v1::PROGRAM_ACTION_RELOAD,
                          {v1::EVENT_KIND_CONFIG_APPLIED, v1::EVENT_KIND_CONFIG_REFUSED}}}) {
    SCOPED_TRACE(v1::ProgramAction_Name(each.action));
    for (const v1::EventKind kind : kinds) {
      AnswerBook book;
      OrderRequest request = MakeRestart("p", {"a"});
      request.act = each.act;
      ASSERT_TRUE(book.Begin(request, true, now_).ok());
      EXPECT_EQ(std::get<v1::ProgramOrder>(book.OrdersOf("p", now_)[0].order).action(),
                each.action);
      const auto finished = book.OnCommitted(Answer("a", "p/0", kind));
      EXPECT_EQ(finished.has_value(),
                std::count(each.answers.begin(), each.answers.end(), kind) > 0)
          << v1::EventKind_Name(kind);
      // A verdict says why not, of all of them.
      if (!finished) {
        EXPECT_TRUE(book.OnCommitted(Answer("a", "p/0", v1::EVENT_KIND_VERDICT)).has_value());
      }
    }
  }
}

TEST_F(AnswerBookTest, ARefusedConfigurationIsAnOrderThatWasRefused) {
  OrderRequest reload = MakeRestart("p", {"a", "b"});
  reload.act = Act::kReload;
  Begin(reload);
  (void)book_.OnCommitted(Answer("a", "p/0", v1::EVENT_KIND_CONFIG_APPLIED));
  v1::Event refused = Answer("b", "p/1", v1::EVENT_KIND_CONFIG_REFUSED);
  refused.set_message("line 7: unknown key");
  const auto finished = book_.OnCommitted(refused);
  ASSERT_TRUE(finished.has_value());
  EXPECT_TRUE(finished->outcomes[0].done);
  EXPECT_EQ(finished->outcomes[0].verdict, v1::VERDICT_UNSPECIFIED);
  EXPECT_FALSE(finished->outcomes[1].done);
  EXPECT_EQ(finished->outcomes[1].verdict, v1::VERDICT_REFUSED);
  EXPECT_EQ(finished->outcomes[1].message, "line 7: unknown key");
}

TEST_F(AnswerBookTest, HoldsAndProgramsShareTheBookAndItsBound) {
  Begin(MakeHold("h", {"a"}));
  Begin(MakeRestart("p", {"a"}));
  EXPECT_EQ(book_.targets(), 2U);
  EXPECT_EQ(book_.OrdersFor("a", now_).size(), 2U);
  EXPECT_FALSE(book_.OnCommitted(Answer("a", "p/0")).has_value()) << "a hold answers no program";
  EXPECT_TRUE(book_.OnCommitted(Answer("a", "h/0")).has_value());
  EXPECT_TRUE(book_.OnCommitted(Answer("a", "p/0", v1::EVENT_KIND_PROGRAM_ORDERED)).has_value());
}

TEST_F(AnswerBookTest, AFullBookRefuses) {
  OrderRequest large = MakeHold("h", {});
  large.targets.resize(AnswerBook::kMostTargets);
  Begin(large);
  EXPECT_TRUE(absl::IsUnavailable(book_.Begin(MakeHold("i", {"a"}), true, now_)));
  (void)book_.Expire(now_ + seconds(3600));
  EXPECT_TRUE(book_.Begin(MakeHold("i", {"a"}), true, now_).ok());
}

}  // namespace
}  // namespace procctl::controller
