// A program that others need: they end before it and are started again after it.
#include <chrono>

#include "tests/node/core/program_life_fixture.h"

namespace procctl::node {
namespace {

using std::chrono::seconds;

class ProgramNeedsTest : public ProgramLifeTest {
 protected:
  // Something that needs it runs, and may take ten seconds to end.
  void Need() {
    facts_.needed_by = "web";
    facts_.needed_for = seconds(10);
  }
  void NeedNoMore() { facts_ = {}; }
};

TEST_F(ProgramNeedsTest, AnOrderToStopOrRestartWaitsForThoseThatNeedIt) {
  for (const bool restart : {false, true}) {
    Make();
    Run();
    Need();
    EXPECT_FALSE(life_->taken_down());
    if (restart) {
      (void)life_->OrderRestart(now_, v1::CAUSE_OPERATOR, {"r/0", "operator/o", ""});
    } else {
      (void)life_->OrderStop({"r/0", "operator/o", ""});
    }
    EXPECT_TRUE(life_->taken_down()) << "those that need it go down now";
    EXPECT_FALSE(life_->ready());
    EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
    EXPECT_NE(life_->Row(now_).message().find("first web ends"), std::string::npos);
    NeedNoMore();
    EXPECT_EQ(Look(), ProgramLife::Do::kStop);
    End(v1::CAUSE_OPERATOR, 0, 15);
    EXPECT_EQ(Look(), restart ? ProgramLife::Do::kStart : ProgramLife::Do::kNothing);
    EXPECT_EQ(life_->taken_down(), !restart);
  }
}

TEST_F(ProgramNeedsTest, OneThatDoesNotEndHoldsItUpForSoLongOnly) {
  Make();
  Run();
  Need();
  (void)life_->OrderRestart(now_, v1::CAUSE_OPERATOR, {"r/0", "operator/o", ""});
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(seconds(10));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStop);
}

TEST_F(ProgramNeedsTest, AnEndWaitsForNobodyAndTakesNobodyDown) {
  spec_.max_age = seconds(100);
  spec_.max_age_variance = 0;
  Make();
  Run();
  Need();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(seconds(101));
  EXPECT_EQ(Look(), ProgramLife::Do::kStop) << "not on order";
  EXPECT_FALSE(life_->taken_down());
  End(v1::CAUSE_SCHEDULE, 0, 15);
  EXPECT_FALSE(life_->taken_down());
  Run();
  End(v1::CAUSE_SIGNAL, 0, 11);
  EXPECT_FALSE(life_->taken_down());
  Advance(seconds(1));
  Run();
  life_->SetSpec(life_->shared_spec(), true, now_);
  EXPECT_EQ(Look(), ProgramLife::Do::kStop) << "a reload touches what it changes";
  EXPECT_FALSE(life_->taken_down());
}

TEST_F(ProgramNeedsTest, WhatStopsForAnotherIsDownForThoseThatNeedItInTurn) {
  Make();
  Run();
  Need();
  facts_.lost = "db";
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing) << "web ends first";
  EXPECT_TRUE(life_->taken_down());
  TakeOver();
  EXPECT_TRUE(life_->taken_down());
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  NeedNoMore();
  EXPECT_EQ(Look(), ProgramLife::Do::kStop);
  End(v1::CAUSE_STOP, 0, 15);
  facts_.waits_for = "db";
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_WAITING);
  EXPECT_FALSE(life_->taken_down());
  facts_ = {};
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

}  // namespace
}  // namespace procctl::node
