#include "node/guardian/evidence_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "node/os/clock.h"
#include "node/os/evidence_bound.h"
#include "node/os/proc_file.h"
#include "proto/support/time_convert.h"
#include "tests/node/guardian/blocked.h"
#include "tests/node/guardian/thread_count.h"

namespace procctl::node {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kBusy[] = "process: not read, all readers were busy";
constexpr char kStuck[] = "process: reading did not end within 200ms";

class EvidenceDeskTest : public testing::Test {
 protected:
  // As the program does.
  static void SetUpTestSuite() {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  }
  EvidenceDeskTest() {
    auto poller = Poller::Create();
    EXPECT_TRUE(poller.ok());
    poller_.emplace(*std::move(poller));
    const auto stat = ReadStat(getpid());
    EXPECT_TRUE(stat);
    self_ = {getpid(), stat ? stat->start_ticks : 0};
  }
  ~EvidenceDeskTest() override {
    desk_.reset();
    blocked_->Open();
    EXPECT_TRUE(WaitUntilThreadsRest());
  }

  void Open(EvidenceDesk::Reader reader) {
    desk_ = std::make_unique<EvidenceDesk>(
        &*poller_,
        [this](int64_t kill, v1::Evidence evidence) {
          answers_[kill].push_back(std::move(evidence));
        },
        std::move(reader));
  }
  // Blocks for whoever asks by AskBlocked, reads others at once.
  void OpenWithReaderThatBlocks() {
    Open([blocked = blocked_](const ProcessIdentity& process, MonoTime, const EvidenceSoFar&) {
      if (process.pid == getpid()) blocked->Pass();
      v1::Evidence evidence;
      evidence.set_comm("read");
      return evidence;
    });
  }
  void Ask(int64_t kill, const ProcessIdentity& process) {
    v1::Evidence base;
    base.set_heart("worker-" + std::to_string(kill));
    desk_->Ask(kill, process, std::move(base), now_);
  }
  void AskBlocked(int64_t kill) { Ask(kill, self_); }
  void AskQuick(int64_t kill) { Ask(kill, {1, 1}); }
  // The loop without scans, until so many kills have their answer.
  void RunUntilAnswered(size_t count) {
    for (const MonoTime end = MonoNow() + std::chrono::minutes(1);
         answers_.size() < count && MonoNow() < end;) {
      poller_->Wait(1000);
    }
    ASSERT_EQ(answers_.size(), count);
  }
  const v1::Evidence& Only(int64_t kill) {
    EXPECT_EQ(answers_[kill].size(), 1u) << kill;
    if (answers_[kill].empty()) answers_[kill].emplace_back();
    return answers_[kill][0];
  }

  const std::shared_ptr<Blocked> blocked_ = std::make_shared<Blocked>();
  std::optional<Poller> poller_;
  ProcessIdentity self_;
  // An hour ahead of the readers' clock: their time is never up because the machine is slow.
  MonoTime now_ = MonoNow() + std::chrono::hours(1);
  std::map<int64_t, std::vector<v1::Evidence>> answers_;
  std::unique_ptr<EvidenceDesk> desk_;
};

TEST_F(EvidenceDeskTest, AddsWhatWasReadToWhatTheGuardianKnew) {
  Open(ReadEvidence);
  Ask(7, self_);
  EXPECT_THAT(answers_, IsEmpty());
  RunUntilAnswered(1);
  const v1::Evidence& evidence = Only(7);
  EXPECT_EQ(evidence.heart(), "worker-7");
  EXPECT_EQ(evidence.comm(), ReadStat(getpid())->comm);
  EXPECT_FALSE(evidence.threads().empty());
  EXPECT_FALSE(evidence.timed_out());
  EXPECT_TRUE(evidence.has_took());
  desk_->Expire(now_ + std::chrono::minutes(1));
  EXPECT_EQ(answers_[7].size(), 1u);
}

TEST_F(EvidenceDeskTest, TellsHowLongItTook) {
  OpenWithReaderThatBlocks();
  AskBlocked(1);
  desk_->Expire(now_ + std::chrono::milliseconds(250));
  EXPECT_EQ(FromProto(Only(1).took()), std::chrono::milliseconds(250));
}

TEST_F(EvidenceDeskTest, AReaderThatIsStuckIsCutOffAfterTheLimitAndNotBefore) {
  OpenWithReaderThatBlocks();
  AskBlocked(1);
  blocked_->WaitUntilInside(1);
  desk_->Expire(now_ + EvidenceDesk::kAnswerWithin);
  EXPECT_THAT(answers_, IsEmpty());
  desk_->Expire(now_ + EvidenceDesk::kAnswerWithin + Nanos(1));
  const v1::Evidence& evidence = Only(1);
  EXPECT_EQ(evidence.heart(), "worker-1");
  EXPECT_TRUE(evidence.timed_out());
  EXPECT_TRUE(evidence.comm().empty());
}

TEST_F(EvidenceDeskTest, ALateResultIsDropped) {
  OpenWithReaderThatBlocks();
  AskBlocked(1);
  blocked_->WaitUntilInside(1);
  desk_->Expire(now_ + std::chrono::seconds(1));
  blocked_->Open();
  ASSERT_TRUE(WaitUntilThreadsRest());
  EXPECT_EQ(poller_->Wait(0), 0);
  desk_->Expire(now_ + std::chrono::minutes(1));
  EXPECT_TRUE(Only(1).comm().empty());
}

TEST_F(EvidenceDeskTest, AResultThatHasArrivedIsTakenBeforeAnybodyIsCutOff) {
  OpenWithReaderThatBlocks();
  AskQuick(1);
  ASSERT_TRUE(WaitUntilThreadsRest());
  desk_->Expire(now_ + std::chrono::hours(1));
  EXPECT_EQ(Only(1).comm(), "read");
  EXPECT_FALSE(Only(1).timed_out());
}

TEST_F(EvidenceDeskTest, WhatAStuckReaderHadReadIsKept) {
  Open([blocked = blocked_](const ProcessIdentity&, MonoTime, const EvidenceSoFar& so_far) {
    v1::Evidence part;
    part.set_comm("half");
    part.set_state("D");
    so_far(part);
    blocked->Pass();
    return part;
  });
  Ask(1, self_);
  ProcessIdentity other = self_;
  --other.start_ticks;
  Ask(2, other);
  blocked_->WaitUntilInside(2);
  desk_->Expire(now_ + std::chrono::seconds(1));
  EXPECT_EQ(Only(1).comm(), "half");
  EXPECT_EQ(Only(1).heart(), "worker-1");
  EXPECT_TRUE(Only(1).timed_out());
  EXPECT_THAT(Only(1).missing(), ElementsAre("the rest: reading did not end within 200ms"));
  // The pid belongs to somebody else by now: nothing of what was read may count.
  EXPECT_TRUE(Only(2).comm().empty());
  EXPECT_EQ(Only(2).heart(), "worker-2");
  EXPECT_THAT(Only(2).missing(), ElementsAre("process: it has ended"));
}

TEST_F(EvidenceDeskTest, AHundredAtOnceWithStuckReadersAreEachAnsweredOnce) {
  OpenWithReaderThatBlocks();
  for (int64_t kill = 0; kill < 100; ++kill) AskBlocked(kill);
  blocked_->WaitUntilInside(EvidenceDesk::kReadersAtOnce);
  desk_->Expire(now_ + EvidenceDesk::kAnswerWithin + Nanos(1));
  ASSERT_EQ(answers_.size(), 100u);
  int stuck = 0;
  int busy = 0;
  for (int64_t kill = 0; kill < 100; ++kill) {
    EXPECT_TRUE(Only(kill).timed_out());
    EXPECT_EQ(Only(kill).heart(), "worker-" + std::to_string(kill));
    ASSERT_EQ(Only(kill).missing_size(), 1);
    stuck += Only(kill).missing(0) == kStuck ? 1 : 0;
    busy += Only(kill).missing(0) == kBusy ? 1 : 0;
  }
  EXPECT_EQ(stuck, EvidenceDesk::kReadersAtOnce);
  EXPECT_EQ(busy, 100 - EvidenceDesk::kReadersAtOnce);
  // The stuck readers hold up nobody who asks after them.
  AskQuick(100);
  RunUntilAnswered(101);
  EXPECT_EQ(Only(100).comm(), "read");
}

TEST_F(EvidenceDeskTest, WhereAllThreadsAreStuckEverybodyIsStillAnswered) {
  OpenWithReaderThatBlocks();
  int64_t kill = 0;
  for (int inside = 1; inside <= EvidenceDesk::kMostThreads; ++inside) {
    AskBlocked(++kill);
    blocked_->WaitUntilInside(inside);
    desk_->Expire(now_ + std::chrono::seconds(1));
  }
  EXPECT_EQ(CountThreads(), kThreadsAtRest + EvidenceDesk::kMostThreads);
  AskQuick(++kill);
  EXPECT_EQ(poller_->Wait(0), 0);
  desk_->Expire(now_ + std::chrono::seconds(1));
  EXPECT_THAT(Only(kill).missing(), ElementsAre(kBusy));
  // As soon as they come back, evidence is read again.
  blocked_->Open();
  ASSERT_TRUE(WaitUntilThreadsRest());
  AskQuick(++kill);
  RunUntilAnswered(static_cast<size_t>(kill));
  EXPECT_EQ(Only(kill).comm(), "read");
}

TEST_F(EvidenceDeskTest, WhatCannotEvenWaitIsAnsweredByTheNextScan) {
  OpenWithReaderThatBlocks();
  const auto most = static_cast<int64_t>(EvidenceDesk::kMostWaiting) + EvidenceDesk::kReadersAtOnce;
  for (int64_t kill = 1; kill <= most + 2; ++kill) AskBlocked(kill);
  EXPECT_THAT(answers_, IsEmpty());
  desk_->Expire(now_);
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_THAT(Only(most + 1).missing(), ElementsAre(kBusy));
  EXPECT_FALSE(Only(most + 2).timed_out());
}

TEST_F(EvidenceDeskTest, AReaderThatComesToItTooLateReadsNothing) {
  OpenWithReaderThatBlocks();
  now_ = MonoNow() - std::chrono::seconds(1);
  AskQuick(1);
  RunUntilAnswered(1);
  EXPECT_TRUE(Only(1).comm().empty());
  EXPECT_TRUE(Only(1).timed_out());
  EXPECT_THAT(Only(1).missing(), ElementsAre(kBusy));
}

TEST_F(EvidenceDeskTest, TheSameKillMayAskTwiceAndIsAnsweredTwice) {
  OpenWithReaderThatBlocks();
  AskBlocked(1);
  AskQuick(1);
  RunUntilAnswered(1);
  desk_->Expire(now_ + std::chrono::seconds(1));
  ASSERT_EQ(answers_[1].size(), 2u);
  EXPECT_EQ(answers_[1][0].comm(), "read");
  EXPECT_THAT(answers_[1][1].missing(), testing::SizeIs(1));
}

TEST_F(EvidenceDeskTest, AnAnswerMayAskAgain) {
  std::vector<int64_t> answered;
  desk_ = std::make_unique<EvidenceDesk>(
      &*poller_,
      [&](int64_t kill, const v1::Evidence&) {
        answered.push_back(kill);
        if (kill < 3) Ask(kill + 1, self_);
      },
      [](const ProcessIdentity&, MonoTime, const EvidenceSoFar&) { return v1::Evidence(); });
  Ask(1, self_);
  for (const MonoTime end = MonoNow() + std::chrono::minutes(1);
       answered.size() < 3 && MonoNow() < end;) {
    poller_->Wait(1000);
  }
  EXPECT_THAT(answered, ElementsAre(1, 2, 3));
}

TEST_F(EvidenceDeskTest, TheDeskMayGoWhileReadersAreStuck) {
  OpenWithReaderThatBlocks();
  for (int64_t kill = 0; kill < 10; ++kill) AskBlocked(kill);
  blocked_->WaitUntilInside(EvidenceDesk::kReadersAtOnce);
  desk_.reset();
  blocked_->Open();
  ASSERT_TRUE(WaitUntilThreadsRest());
  EXPECT_EQ(poller_->Wait(0), 0);
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(EvidenceDeskTest, ARealHundredAreReadWhole) {
  Open(ReadEvidence);
  std::vector<pid_t> children;
  for (int i = 0; i < 100; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (;;) pause();
    }
    ASSERT_GT(pid, 0);
    children.push_back(pid);
  }
  const MonoTime begin = MonoNow();
  for (const pid_t pid : children) Ask(pid, {pid, ReadStat(pid)->start_ticks});
  RunUntilAnswered(children.size());
  std::cout << "100 asked at once, all answered after "
            << std::chrono::duration_cast<std::chrono::microseconds>(MonoNow() - begin).count()
            << " us\n";
  for (const pid_t pid : children) {
    EXPECT_FALSE(Only(pid).timed_out());
    EXPECT_FALSE(Only(pid).threads().empty());
    EXPECT_LE(Only(pid).ByteSizeLong(), kMostEvidenceBytes);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

TEST_F(EvidenceDeskTest, BaseAndWhatWasReadFitTogether) {
  Open([](const ProcessIdentity&, MonoTime, const EvidenceSoFar&) {
    v1::Evidence evidence;
    for (int i = 0; i < 30; ++i) evidence.add_threads()->add_stack(std::string(1000, 's'));
    return evidence;
  });
  v1::Evidence base;
  base.set_note(std::string(10'000, 'n'));
  desk_->Ask(1, self_, base, now_);
  RunUntilAnswered(1);
  EXPECT_LE(Only(1).ByteSizeLong(), kMostEvidenceBytes);
  EXPECT_EQ(Only(1).note(), base.note());
  EXPECT_EQ(Only(1).threads_size(), 30);
  EXPECT_THAT(Only(1).missing(), Contains(HasSubstr("left out")));
}

}  // namespace
}  // namespace procctl::node
