#include "node/guardian/detached_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "node/guardian/map_prover.h"
#include "node/os/process_ref.h"
#include "tests/node/guardian/thread_count.h"

namespace procctl::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int kPatienceMs = 60'000;

bool Readable(int fd, int timeout_ms = kPatienceMs) {
  pollfd one{fd, POLLIN, 0};
  return poll(&one, 1, timeout_ms) == 1;
}

// Where jobs wait until the test lets them go. Shared, as jobs outlive the test's objects.
class Gate {
 public:
  // On a job's thread: says that it is there, then waits.
  void Pass() {
    absl::MutexLock lock(&mutex_);
    ++inside_;
    mutex_.Await(absl::Condition(&open_));
  }
  void Open() {
    const absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  void WaitUntilInside(int count) {
    const auto enough = [&] { return inside_ >= count; };
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&enough));
  }
  int inside() {
    const absl::MutexLock lock(&mutex_);
    return inside_;
  }

 private:
  absl::Mutex mutex_;
  int inside_ = 0;
  bool open_ = false;
};

class DetachedWorkTest : public testing::Test {
 protected:
  // As the program does.
  static void SetUpTestSuite() {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  }
  ~DetachedWorkTest() override {
    gate_->Open();
    EXPECT_TRUE(WaitUntilThreadsRest());
  }

  // A job that waits at the gate, then leaves its name.
  DetachedWork::Job Waiting(int name) {
    return [gate = gate_, this, name]() -> DetachedWork::Finish {
      gate->Pass();
      return [this, name] { done_.push_back(name); };
    };
  }
  DetachedWork::Job Quick(int name) {
    return
        [this, name]() -> DetachedWork::Finish { return [this, name] { done_.push_back(name); }; };
  }
  void TakeUntil(DetachedWork* work, size_t count) {
    while (done_.size() < count) {
      ASSERT_TRUE(Readable(work->event_fd()));
      work->Take();
    }
  }

  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::vector<int> done_;
};

TEST_F(DetachedWorkTest, WorksElsewhereAndFinishesOnTheLoop) {
  DetachedWork work({});
  const std::thread::id loop = std::this_thread::get_id();
  std::thread::id worked;
  std::thread::id finished;
  ASSERT_NE(work.Start([&]() -> DetachedWork::Finish {
    worked = std::this_thread::get_id();
    return [&] {
      finished = std::this_thread::get_id();
      done_.push_back(1);
    };
  }),
            0u);
  TakeUntil(&work, 1);
  EXPECT_NE(worked, loop);
  EXPECT_EQ(finished, loop);
  EXPECT_FALSE(Readable(work.event_fd(), 0));
}

TEST_F(DetachedWorkTest, RefusesWhatHasNoThreadAndNoRoomToWait) {
  DetachedWork work({.at_once = 2, .threads = 2, .queued = 0});
  EXPECT_NE(work.Start(Waiting(1)), 0u);
  EXPECT_NE(work.Start(Waiting(2)), 0u);
  EXPECT_EQ(work.Start(Waiting(3)), 0u);
  gate_->Open();
  TakeUntil(&work, 2);
  EXPECT_THAT(done_, UnorderedElementsAre(1, 2));
  EXPECT_NE(work.Start(Quick(4)), 0u);
  TakeUntil(&work, 3);
}

TEST_F(DetachedWorkTest, NoMoreAreAtWorkThanAllowedAndTheRestComeRound) {
  DetachedWork work({.at_once = 2, .threads = 8, .queued = 10});
  for (int i = 0; i < 12; ++i) ASSERT_NE(work.Start(Waiting(i)), 0u) << i;
  EXPECT_EQ(work.Start(Waiting(12)), 0u);
  gate_->WaitUntilInside(2);
  EXPECT_EQ(gate_->inside(), 2);
  EXPECT_EQ(CountThreads(), kThreadsAtRest + 2);
  gate_->Open();
  TakeUntil(&work, 12);
  EXPECT_EQ(done_.size(), 12u);
}

TEST_F(DetachedWorkTest, AStuckJobThatIsGivenUpMakesRoomForTheNext) {
  DetachedWork work({.at_once = 1, .threads = 2, .queued = 2});
  const auto stuck = work.Start(Waiting(1));
  gate_->WaitUntilInside(1);
  ASSERT_NE(work.Start(Quick(2)), 0u);
  EXPECT_FALSE(Readable(work.event_fd(), 0));
  work.GiveUp(stuck);
  TakeUntil(&work, 1);
  EXPECT_THAT(done_, ElementsAre(2));
  // What it brings later is dropped.
  gate_->Open();
  ASSERT_TRUE(WaitUntilThreadsRest());
  work.Take();
  EXPECT_THAT(done_, ElementsAre(2));
}

TEST_F(DetachedWorkTest, WhereAllThreadsAreStuckTheNextWaitsForOneThatComesBack) {
  DetachedWork work({.at_once = 1, .threads = 2, .queued = 2});
  for (int i = 1; i <= 2; ++i) {
    const auto stuck = work.Start(Waiting(i));
    ASSERT_NE(stuck, 0u);
    gate_->WaitUntilInside(i);
    work.GiveUp(stuck);
  }
  ASSERT_NE(work.Start(Quick(3)), 0u);
  EXPECT_EQ(CountThreads(), kThreadsAtRest + 2);
  EXPECT_FALSE(Readable(work.event_fd(), 0));
  gate_->Open();
  TakeUntil(&work, 1);
  EXPECT_THAT(done_, ElementsAre(3));
}

TEST_F(DetachedWorkTest, WhatIsGivenUpBeforeItBeganIsNeverBegun) {
  DetachedWork work({.at_once = 1, .threads = 1, .queued = 2});
  ASSERT_NE(work.Start(Waiting(1)), 0u);
  gate_->WaitUntilInside(1);
  const auto second = work.Start(Waiting(2));
  ASSERT_NE(second, 0u);
  ASSERT_NE(work.Start(Waiting(3)), 0u);
  work.GiveUp(second);
  gate_->Open();
  TakeUntil(&work, 2);
  EXPECT_THAT(done_, ElementsAre(1, 3));
  EXPECT_EQ(gate_->inside(), 2);
}

TEST_F(DetachedWorkTest, WhatIsGivenUpWhenDoneFinishesNothing) {
  DetachedWork work({});
  const auto ticket = work.Start(Quick(1));
  ASSERT_TRUE(Readable(work.event_fd()));
  work.GiveUp(ticket);
  work.Take();
  EXPECT_THAT(done_, IsEmpty());
}

TEST_F(DetachedWorkTest, AFinishMayStartTheNext) {
  DetachedWork work({.at_once = 1, .threads = 1, .queued = 1});
  ASSERT_NE(work.Start([&]() -> DetachedWork::Finish {
    return [&] {
      done_.push_back(1);
      EXPECT_NE(work.Start(Quick(2)), 0u);
    };
  }),
            0u);
  TakeUntil(&work, 2);
  EXPECT_THAT(done_, ElementsAre(1, 2));
}

TEST_F(DetachedWorkTest, SignalsNeverInterruptAJob) {
  DetachedWork work({});
  sigset_t before;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  sigset_t mask;
  sigemptyset(&mask);
  ASSERT_NE(work.Start([&]() -> DetachedWork::Finish {
    (void)pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return [&] { done_.push_back(1); };
  }),
            0u);
  TakeUntil(&work, 1);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE, SIGRTMIN, SIGRTMAX})
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  sigset_t after;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &after), 0);
  EXPECT_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

TEST_F(DetachedWorkTest, TheOwnerMayGoWhileJobsAreStuck) {
  {
    DetachedWork work({.at_once = 1, .threads = 1, .queued = 1});
    ASSERT_NE(work.Start(Waiting(1)), 0u);
    ASSERT_NE(work.Start(Waiting(2)), 0u);
    gate_->WaitUntilInside(1);
  }
  gate_->Open();
  EXPECT_TRUE(WaitUntilThreadsRest());
  EXPECT_THAT(done_, IsEmpty());
  EXPECT_EQ(gate_->inside(), 1);
}

TEST_F(DetachedWorkTest, ThreadsEndWhenNothingWaits) {
  DetachedWork work({.at_once = 4, .threads = 4, .queued = 100});
  for (int i = 0; i < 50; ++i) ASSERT_NE(work.Start(Quick(i)), 0u);
  TakeUntil(&work, 50);
  EXPECT_TRUE(WaitUntilThreadsRest());
}

TEST_F(DetachedWorkTest, ProofsComeBackWithTheirRow) {
  MapProver prover("00:01 4294967295");
  const auto self = ProcessRef::Open(getpid());
  ASSERT_TRUE(self.ok());
  ASSERT_TRUE(prover.Start(3, self->identity()));
  ASSERT_TRUE(Readable(prover.event_fd()));
  const std::vector<Proof> proofs = prover.Take();
  ASSERT_EQ(proofs.size(), 1u);
  EXPECT_EQ(proofs[0].row, 3u);
  EXPECT_EQ(proofs[0].process, self->identity());
  EXPECT_EQ(proofs[0].attached, false);
  EXPECT_THAT(prover.Take(), IsEmpty());
}

}  // namespace
}  // namespace procctl::node
