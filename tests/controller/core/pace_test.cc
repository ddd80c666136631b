#include "controller/core/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

namespace procctl::controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

std::vector<int> Batches(size_t targets, int size) {
  std::vector<int> batches;
  for (size_t i = 0; i < targets; ++i) {
    batches.push_back(size == 0 ? 1 : static_cast<int>(i) / size + 1);
  }
  return batches;
}

using Targets = std::vector<size_t>;

class PacerTest : public ::testing::Test {
 protected:
  Pacer Make(size_t targets, const Pace& pace) { return {pace, Batches(targets, pace.batch)}; }
  Targets Next(Pacer* pacer) { return pacer->Next(now_).send; }
  void Stop(Pacer* pacer, size_t target, bool comes_back = false) {
    pacer->Ended(target, /*stopped=*/true, comes_back, now_);
  }
  void Fail(Pacer* pacer, size_t target) { pacer->Ended(target, false, false, now_); }

  MonoTime now_{seconds(100)};
};

TEST_F(PacerTest, WithoutAPaceAllGoAtOnceAndTheOrderIsFinishedWithTheLastVerdict) {
  Pacer pacer = Make(3, {});
  EXPECT_EQ(Next(&pacer), (Targets{0, 1, 2}));
  Stop(&pacer, 0, /*comes_back=*/true);
  Fail(&pacer, 1);
  Next(&pacer);
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_RUNNING);
  Stop(&pacer, 2);
  Next(&pacer);
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_FINISHED);
  EXPECT_EQ(pacer.failed(), 1);
  EXPECT_EQ(pacer.done(), 3);
}

TEST_F(PacerTest, AsManyAreUnavailableAsMayBe) {
  Pacer pacer = Make(5, {.max_unavailable = 2});
  EXPECT_EQ(Next(&pacer), (Targets{0, 1}));
  EXPECT_EQ(Next(&pacer), Targets{});
  Stop(&pacer, 1);
  EXPECT_EQ(Next(&pacer), Targets{2});
  Stop(&pacer, 0, /*comes_back=*/true);
  EXPECT_EQ(Next(&pacer), Targets{}) << "stopped and not back yet";
  pacer.Returned(0, now_);
  EXPECT_EQ(Next(&pacer), Targets{3});
}

TEST_F(PacerTest, ABatchBeginsWhenTheOneBeforeIsBackAndThePauseIsOver) {
  Pacer pacer = Make(4, {.batch = 2, .pause = seconds(10)});
  EXPECT_EQ(Next(&pacer), (Targets{0, 1}));
  Stop(&pacer, 0);
  EXPECT_EQ(Next(&pacer), Targets{});
  Stop(&pacer, 1);
  EXPECT_EQ(pacer.Next(now_).look_again, now_ + seconds(10));
  now_ += seconds(10) - nanoseconds(1);
  EXPECT_EQ(Next(&pacer), Targets{});
  now_ += nanoseconds(1);
  EXPECT_EQ(Next(&pacer), (Targets{2, 3}));
  EXPECT_EQ(pacer.batch(), 2);
}

TEST_F(PacerTest, WhatIsNotBackInTimeHasFailedOneNanosecondAfterTheLimit) {
  Pacer pacer = Make(2, {.batch = 1, .recovery_limit = seconds(30), .halt_percent = 100});
  Next(&pacer);
  Stop(&pacer, 0, /*comes_back=*/true);
  EXPECT_EQ(pacer.Next(now_).look_again, now_ + seconds(30) + nanoseconds(1));
  now_ += seconds(30);
  EXPECT_EQ(Next(&pacer), Targets{});
  EXPECT_EQ(pacer.Awaited(), Targets{0});
  now_ += nanoseconds(1);
  EXPECT_EQ(Next(&pacer), Targets{1}) << "it never halts at 100";
  EXPECT_EQ(pacer.failed(), 1);
  pacer.Returned(0, now_);
  EXPECT_EQ(pacer.failed(), 1) << "late is late";
}

TEST_F(PacerTest, WithoutARecoveryLimitNobodyWaitsForWhatComesBack) {
  Pacer pacer = Make(2, {.batch = 1, .recovery_limit = seconds(0)});
  Next(&pacer);
  Stop(&pacer, 0, /*comes_back=*/true);
  EXPECT_EQ(Next(&pacer), Targets{1});
}

TEST_F(PacerTest, ItHaltsWhenMoreThanTheShareOfABatchFailedAndNotAtTheShare) {
  // 20 % of 10 are 2.
  Pacer pacer = Make(20, {.batch = 10});
  EXPECT_EQ(Next(&pacer).size(), 10U);
  Fail(&pacer, 0);
  Fail(&pacer, 1);
  Next(&pacer);
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_RUNNING);
  Fail(&pacer, 2);
  Next(&pacer);
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_HALTED);
  EXPECT_EQ(pacer.message(),
            "halted: 3 of the 10 targets of batch 1 of 2 failed, more than 20%; 10 were not sent");
  for (size_t i = 3; i < 10; ++i) Stop(&pacer, i);
  EXPECT_EQ(Next(&pacer), Targets{});
  ASSERT_TRUE(pacer.Resume("resumed", now_));
  EXPECT_EQ(Next(&pacer).size(), 10U) << "what failed before was seen by whoever resumed";
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_RUNNING);
}

TEST_F(PacerTest, TheFailureThatSettlesABatchHaltsBeforeTheNext) {
  Pacer pacer = Make(2, {.batch = 1, .halt_percent = 0});
  Next(&pacer);
  Fail(&pacer, 0);
  EXPECT_EQ(Next(&pacer), Targets{});
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_HALTED);
  EXPECT_EQ(pacer.batch(), 1);
}

TEST_F(PacerTest, WithNothingLeftToSendThereIsNothingToHalt) {
  Pacer pacer = Make(2, {.batch = 1, .halt_percent = 0});
  Next(&pacer);
  Stop(&pacer, 0);
  EXPECT_EQ(Next(&pacer), Targets{1});
  Fail(&pacer, 1);
  Next(&pacer);
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_FINISHED);
}

TEST_F(PacerTest, PausedNothingIsSentAndResumedItGoesOn) {
  Pacer pacer = Make(3, {.max_unavailable = 1});
  Next(&pacer);
  ASSERT_TRUE(pacer.Pause("paused by operator/alice"));
  ASSERT_TRUE(pacer.Pause("paused by operator/bob"));
  EXPECT_EQ(pacer.message(), "paused by operator/alice") << "the first one it was";
  Stop(&pacer, 0);
  EXPECT_EQ(Next(&pacer), Targets{});
  ASSERT_TRUE(pacer.Resume("resumed", now_));
  EXPECT_EQ(Next(&pacer), Targets{1});
}

TEST_F(PacerTest, WhatWasChosenAndNotSentIsChosenAgain) {
  Pacer pacer = Make(3, {.max_unavailable = 2});
  EXPECT_EQ(Next(&pacer), (Targets{0, 1}));
  pacer.Pause("paused");
  pacer.Withdraw(1);
  EXPECT_EQ(pacer.waiting(), 2);
  pacer.Resume("resumed", now_);
  EXPECT_EQ(Next(&pacer), Targets{1});
}

TEST_F(PacerTest, CancelledNothingIsSentAnyMoreAndNothingBringsItBack) {
  Pacer pacer = Make(3, {.max_unavailable = 1});
  Next(&pacer);
  ASSERT_TRUE(pacer.Cancel("cancelled"));
  Stop(&pacer, 0);
  EXPECT_EQ(Next(&pacer), Targets{});
  EXPECT_TRUE(pacer.Cancel("cancelled again")) << "it is";
  EXPECT_FALSE(pacer.Resume("resumed", now_));
  EXPECT_FALSE(pacer.Pause("paused"));
  EXPECT_EQ(Next(&pacer), Targets{});
  EXPECT_EQ(pacer.state(), v1::ORDER_STATE_CANCELLED);
}

TEST_F(PacerTest, WhatAnEarlierLifeHasSentIsNotChosen) {
  Pacer pacer = Make(4, {.batch = 2});
  pacer.RestoreSent(0);
  pacer.RestoreState(v1::ORDER_STATE_PAUSED, "the controller was started again");
  EXPECT_EQ(Next(&pacer), Targets{});
  pacer.Resume("resumed", now_);
  EXPECT_EQ(Next(&pacer), Targets{1});
  Stop(&pacer, 0);
  Stop(&pacer, 1);
  EXPECT_EQ(Next(&pacer), (Targets{2, 3}));
}

TEST(Pace, EachBrokenPartIsNamed) {
  const auto refusal = [](auto change) {
    v1::Pace pace;
    change(&pace);
    return CheckPace(pace).ToString();
  };
  using P = v1::Pace*;
  EXPECT_EQ(refusal([](P) {}), "OK");
  EXPECT_NE(refusal([](P p) { p->set_max_unavailable(-1); }).find("max_un"), std::string::npos);
  EXPECT_NE(refusal([](P p) { p->set_batch(-1); }).find("batch"), std::string::npos);
  EXPECT_NE(refusal([](P p) { p->mutable_pause()->set_seconds(3601); }).find("pause"),
            std::string::npos);
  EXPECT_NE(refusal([](P p) { p->mutable_recovery_limit()->set_seconds(-1); }).find("recovery"),
            std::string::npos);
  EXPECT_NE(refusal([](P p) { p->set_halt_percent(101); }).find("halt"), std::string::npos);
}

TEST(Pace, AMessageAndBackIsTheSame) {
  const Pace pace{3, 7, seconds(2), milliseconds(1500), 0};
  EXPECT_EQ(PaceOf(MessageOf(pace)), pace);
  EXPECT_EQ(PaceOf(v1::Pace()), Pace{}) << "what is not set is the standard";
}

// Any order with anything happening to it, against the three promises that people rely on.
class RandomCourse {
 public:
  explicit RandomCourse(unsigned seed) : random_(seed) {
    targets_ = 1 + Pick(30);
    pace_.max_unavailable = static_cast<int>(Pick(6));
    pace_.batch = static_cast<int>(Pick(8));
    pace_.pause = seconds(Pick(3));
    pace_.recovery_limit = seconds(Pick(4));
    pace_.halt_percent = static_cast<int>(Pick(101));
    batches_ = Batches(targets_, pace_.batch);
    pacer_.emplace(pace_, batches_);
  }

  void Run() {
    for (int step = 0; step < 3000 && !Over(); ++step) {
      Happen();
      Send();
      Check();
    }
    // Nothing but time and verdicts leads to an end.
    if (!pacer_->ended()) pacer_->Resume("resumed", now_);
    for (int step = 0; step < 2000 && !Over(); ++step) {
      if (pacer_->state() == v1::ORDER_STATE_HALTED) {
        pacer_->Resume("resumed", now_);
        failed_in_.clear();
      }
      if (!sent_.empty()) {
        EndOne();
      } else {
        now_ += seconds(5);
      }
      Send();
      Check();
    }
    EXPECT_TRUE(Over());
  }

 private:
  size_t Pick(size_t below) { return random_() % below; }
  bool Over() const { return pacer_->ended(); }
  bool Waits() const { return pace_.SlowsDown(targets_) && pace_.recovery_limit.count() > 0; }

  void EndOne() {
    const size_t target = *std::next(sent_.begin(), static_cast<long>(Pick(sent_.size())));
    sent_.erase(target);
    const bool stopped = Pick(4) != 0;
    const bool comes_back = Pick(2) == 0;
    pacer_->Ended(target, stopped, comes_back, now_);
    if (stopped && comes_back && Waits()) {
      awaited_[target] = now_;
    } else if (!stopped) {
      ++failed_in_[batches_[target]];
    }
  }

  void Happen() {
    switch (Pick(12)) {
      case 0:
        pacer_->Pause("paused");
        return;
      case 1:
      case 2:
        if (pacer_->state() != v1::ORDER_STATE_RUNNING) failed_in_.clear();
        pacer_->Resume("resumed", now_);
        return;
      case 3:
        if (Pick(40) == 0) pacer_->Cancel("cancelled");
        return;
      case 4:
      case 5:
        now_ += milliseconds(Pick(3000));
        return;
      case 6:
        if (!awaited_.empty()) {
          const size_t target = awaited_.begin()->first;
          awaited_.erase(target);
          pacer_->Returned(target, now_);
        }
        return;
      default:
        if (!sent_.empty()) EndOne();
    }
  }

  void Send() {
    const v1::OrderState before = pacer_->state();
    for (auto it = awaited_.begin(); it != awaited_.end();) {
      if (now_ - it->second > pace_.recovery_limit) {
        ++failed_in_[batches_[it->first]];
        it = awaited_.erase(it);
      } else {
        ++it;
      }
    }
    const std::vector<size_t> chosen = pacer_->Next(now_).send;
    EXPECT_TRUE(chosen.empty() || before == v1::ORDER_STATE_RUNNING);
    for (const size_t target : chosen) {
      EXPECT_TRUE(ever_sent_.insert(target).second) << "target " << target << " was sent twice";
      sent_.insert(target);
      EXPECT_FALSE(TooMany(batches_[target])) << "it should have halted";
      for (const size_t other : sent_) EXPECT_EQ(batches_[other], batches_[target]);
    }
    if (before == v1::ORDER_STATE_RUNNING && pacer_->state() == v1::ORDER_STATE_HALTED) {
      EXPECT_TRUE(TooMany(pacer_->batch())) << "it halted too early";
    }
  }

  bool TooMany(int batch) const {
    const auto failed = failed_in_.find(batch);
    const auto size = std::count(batches_.begin(), batches_.end(), batch);
    return failed != failed_in_.end() && failed->second * 100 > pace_.halt_percent * size;
  }

  void Check() {
    const size_t out = sent_.size() + awaited_.size();
    EXPECT_TRUE(pace_.max_unavailable == 0 || out <= static_cast<size_t>(pace_.max_unavailable));
    EXPECT_EQ(static_cast<size_t>(pacer_->under_way()), out);
    EXPECT_EQ(static_cast<size_t>(pacer_->waiting()), targets_ - ever_sent_.size());
  }

  std::mt19937 random_;
  size_t targets_ = 0;
  Pace pace_;
  std::vector<int> batches_;
  std::optional<Pacer> pacer_;
  MonoTime now_{seconds(1)};
  std::set<size_t> sent_;
  std::set<size_t> ever_sent_;
  std::map<size_t, MonoTime> awaited_;
  std::map<int, int> failed_in_;
};

TEST(PacerProperties, NeverTooManyNeverTwiceHaltedExactlyWhenTheShareIsPassed) {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    RandomCourse(seed).Run();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace procctl::controller
