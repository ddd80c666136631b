#include "node/guardian/usage_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "tests/node/guardian/blocked.h"
#include "tests/node/guardian/thread_count.h"

namespace procctl::node {
namespace {

using std::chrono::nanoseconds;
using testing::IsEmpty;
using testing::SizeIs;

ProcessIdentity IdentityOf(pid_t pid) {
  const auto stat = ReadStat(pid);
  EXPECT_TRUE(stat) << pid;
  return {pid, stat ? stat->start_ticks : 0};
}

// A child that has ended and is not waited for yet.
class Zombie {
 public:
  Zombie() : pid_(fork()) {
    if (pid_ == 0) _exit(0);
    siginfo_t info{};
    EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
    identity_ = IdentityOf(pid_);
  }
  ~Zombie() { Bury(); }
  void Bury() {
    if (pid_ > 0) (void)waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  const ProcessIdentity& identity() const { return identity_; }

 private:
  pid_t pid_;
  ProcessIdentity identity_;
};

class UsageDeskTest : public testing::Test {
 protected:
  // As the program does.
  static void SetUpTestSuite() {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  }
  UsageDeskTest() {
    auto poller = Poller::Create();
    EXPECT_TRUE(poller.ok());
    poller_.emplace(*std::move(poller));
    self_ = IdentityOf(getpid());
  }
  ~UsageDeskTest() override {
    desk_.reset();
    blocked_->Open();
    EXPECT_TRUE(WaitUntilThreadsRest());
  }

  // Counts looks, and holds up those at the process `stuck`; where there is one, each look tells
  // all, as if there had been another a second before.
  void Open(const ProcessIdentity& stuck = {}) {
    desk_ = std::make_unique<UsageDesk>(
        &*poller_, [blocked = blocked_, looks = looks_, stuck](UsageReader* reader,
                                                               const ProcessIdentity& process) {
          ++*looks;
          if (process == stuck) blocked->Pass();
          if (stuck.pid != 0) (void)reader->Read(process, MonoNow() - std::chrono::seconds(1));
          return reader->Read(process, MonoNow());
        });
  }
  // False if the desk took nothing.
  bool Ask(const std::vector<UsageDesk::Subject>& subjects, MonoTime now = MonoNow()) {
    return desk_->Ask(subjects, now,
                      [this](v1::UsageAnswer answer) { answers_.push_back(std::move(answer)); });
  }
  // The loop without scans, until so many answers have come.
  void RunUntilAnswered(size_t count) {
    for (const MonoTime end = MonoNow() + std::chrono::minutes(1);
         answers_.size() < count && MonoNow() < end;) {
      poller_->Wait(1000);
    }
    ASSERT_EQ(answers_.size(), count);
  }

  const std::shared_ptr<Blocked> blocked_ = std::make_shared<Blocked>();
  const std::shared_ptr<std::atomic<int>> looks_ = std::make_shared<std::atomic<int>>(0);
  std::optional<Poller> poller_;
  ProcessIdentity self_;
  std::unique_ptr<UsageDesk> desk_;
  std::vector<v1::UsageAnswer> answers_;
};

// The queries of these tests would be cut off only by Expire, but a reader gives up by itself at
// its deadline: an hour is late enough for any machine.
MonoTime Unhurried() { return MonoNow() + std::chrono::hours(1); }

TEST_F(UsageDeskTest, AnswersForThoseThatRunAndAreStillTheSame) {
  Open();
  Zombie gone;
  gone.Bury();
  const Zombie zombie;
  ASSERT_TRUE(Ask({{7, self_},
                   {8, {self_.pid, self_.start_ticks + 1}},
                   {9, gone.identity()},
                   {10, zombie.identity()}},
                  Unhurried()));
  EXPECT_THAT(answers_, IsEmpty()) << "never from inside Ask";
  RunUntilAnswered(1);
  ASSERT_THAT(answers_[0].rows(), SizeIs(1));
  EXPECT_EQ(answers_[0].rows(0).generation(), 7);
  const v1::Usage& usage = answers_[0].rows(0).usage();
  EXPECT_GT(usage.resident(), 0);
  EXPECT_GE(usage.threads(), 1);
  EXPECT_GT(usage.descriptors(), 2);
}

TEST_F(UsageDeskTest, TellsProcessorTimeFromTwoLooks) {
  Open();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    while (getppid() == parent) {
    }
    _exit(0);
  }
  ASSERT_GT(child, 0);
  const ProcessIdentity busy = IdentityOf(child);
  // Gets at least some of a processor within a minute, whatever else runs.
  int percent = 0;
  for (const MonoTime end = MonoNow() + std::chrono::minutes(1); percent == 0 && MonoNow() < end;) {
    const size_t before = answers_.size();
    ASSERT_TRUE(Ask({{1, busy}}, Unhurried()));
    RunUntilAnswered(before + 1);
    if (answers_.back().rows_size() == 1) percent = answers_.back().rows(0).usage().cpu_percent();
  }
  EXPECT_GT(percent, 0);
  EXPECT_LE(percent, 110) << "one thread";
  (void)kill(child, SIGKILL);
  (void)waitpid(child, nullptr, 0);
}

TEST_F(UsageDeskTest, ALookOfTheLastSecondsIsEnough) {
  Open();
  ASSERT_TRUE(Ask({{1, self_}}));
  RunUntilAnswered(1);
  if (answers_[0].rows().empty()) GTEST_SKIP() << "this machine took over a second for two looks";
  EXPECT_EQ(looks_->load(), 2);
  ASSERT_TRUE(Ask({{1, self_}}, MonoNow()));
  RunUntilAnswered(2);
  EXPECT_EQ(looks_->load(), 3);
  ASSERT_TRUE(Ask({{1, self_}}, MonoNow() + UsageDesk::kRecent + nanoseconds(1)));
  RunUntilAnswered(3);
  EXPECT_EQ(looks_->load(), 5) << "the look before is too old";
}

TEST_F(UsageDeskTest, AThousandAreOneAnswerThatFitsTheLink) {
  Open();
  std::vector<UsageDesk::Subject> subjects;
  for (int64_t i = 0; i < 1000; ++i) subjects.push_back({INT64_MAX - i, self_});
  ASSERT_TRUE(Ask(subjects, Unhurried()));
  RunUntilAnswered(1);
  EXPECT_THAT(answers_[0].rows(), SizeIs(1000));
  EXPECT_LT(answers_[0].ByteSizeLong(), 64u * 1024) << "the link takes 128 KiB";
}

TEST_F(UsageDeskTest, WhoIsStuckIsLeftOutAndHoldsUpNobodyElse) {
  const Zombie stuck;
  Open(stuck.identity());
  const MonoTime asked = MonoNow();
  ASSERT_TRUE(Ask({{1, self_}, {2, stuck.identity()}, {3, self_}}, Unhurried()));
  ASSERT_TRUE(Ask({{4, self_}}, Unhurried()));
  blocked_->WaitUntilInside(1);
  const MonoTime late = Unhurried() + UsageDesk::kAnswerWithin + nanoseconds(1);
  desk_->Expire(asked + UsageDesk::kAnswerWithin);
  EXPECT_THAT(answers_, IsEmpty());
  // Both are due: nothing was read for the one that waits.
  desk_->Expire(late);
  ASSERT_THAT(answers_, SizeIs(2));
  ASSERT_THAT(answers_[0].rows(), SizeIs(1)) << "what was read before";
  EXPECT_EQ(answers_[0].rows(0).generation(), 1);
  EXPECT_THAT(answers_[1].rows(), IsEmpty());
  ASSERT_TRUE(Ask({{5, self_}}, Unhurried()));
  RunUntilAnswered(3);
  EXPECT_THAT(answers_[2].rows(), SizeIs(1)) << "another thread reads on";
}

TEST_F(UsageDeskTest, IsAnsweredAfterItsTimeNotAtIt) {
  Open(self_);
  const MonoTime asked = MonoNow();
  ASSERT_TRUE(Ask({{1, self_}}, asked));
  blocked_->WaitUntilInside(1);
  desk_->Expire(asked + UsageDesk::kAnswerWithin);
  EXPECT_THAT(answers_, IsEmpty());
  desk_->Expire(asked + UsageDesk::kAnswerWithin + nanoseconds(1));
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0].rows(), IsEmpty());
}

TEST_F(UsageDeskTest, SomeWaitAndMoreAreRefused) {
  Open(self_);
  const MonoTime asked = Unhurried();
  ASSERT_TRUE(Ask({{1, self_}}, asked));
  blocked_->WaitUntilInside(1);
  for (size_t i = 0; i < UsageDesk::kMostWaiting; ++i) EXPECT_TRUE(Ask({{1, self_}}, asked)) << i;
  EXPECT_FALSE(Ask({{1, self_}}, asked));
  blocked_->Open();
  RunUntilAnswered(1 + UsageDesk::kMostWaiting);
}

}  // namespace
}  // namespace procctl::node
