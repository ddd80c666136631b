#include "node/guardian/detail_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "tests/node/guardian/blocked.h"
#include "tests/node/guardian/thread_count.h"

namespace procctl::node {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// A node with some slots, all of this process.
class DetailDeskTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  }
  DetailDeskTest() {
    auto poller = Poller::Create();
    EXPECT_TRUE(poller.ok());
    poller_.emplace(*std::move(poller));
    usage_ = std::make_unique<UsageDesk>(
        &*poller_, [blocked = blocked_](UsageReader* reader, const ProcessIdentity& process) {
          blocked->Pass();
          return reader->Read(process, MonoNow());
        });
    desk_.emplace(usage_.get(), Sources());
  }
  ~DetailDeskTest() override {
    usage_.reset();
    blocked_->Open();
    EXPECT_TRUE(WaitUntilThreadsRest());
  }

  DetailDesk::Sources Sources() {
    const auto stat = ReadStat(getpid());
    EXPECT_TRUE(stat);
    const ProcessIdentity self{getpid(), stat ? stat->start_ticks : 0};
    return {.slot = [this](int64_t generation) -> std::optional<v1::SlotDetail> {
              if (!slots_.contains(generation)) return std::nullopt;
              v1::SlotDetail detail;
              detail.set_beats(generation * 10);
              return detail;
            },
            .process = [this, self](int64_t generation) -> std::optional<ProcessIdentity> {
              if (!slots_.contains(generation)) return std::nullopt;
              return self;
            },
            .node =
                [] {
                  v1::NodeDetail node;
                  node.set_guardian_pid(4242);
                  return node;
                },
            .output = [](const v1::DetailRequest&) { return std::nullopt; }};
  }
  std::optional<v1::DetailReply> Take(const v1::DetailRequest& request) {
    return desk_->Take(request, MonoNow() + std::chrono::hours(1),
                       [this](v1::DetailReply reply) { later_.push_back(std::move(reply)); });
  }
  static v1::DetailRequest UsageOf(const std::vector<int64_t>& generations) {
    v1::DetailRequest request;
    request.set_request(70);
    request.mutable_usage()->mutable_generations()->Assign(generations.begin(), generations.end());
    return request;
  }
  static v1::DetailRequest SlotOf(int64_t generation) {
    v1::DetailRequest request;
    request.set_request(80);
    request.set_generation(generation);
    return request;
  }
  v1::DetailReply Later() {
    blocked_->Open();
    for (const MonoTime end = MonoNow() + std::chrono::minutes(1);
         later_.empty() && MonoNow() < end;) {
      poller_->Wait(1000);
    }
    EXPECT_THAT(later_, SizeIs(1));
    return later_.empty() ? v1::DetailReply() : later_[0];
  }

  std::set<int64_t> slots_ = {1, 2, 3};
  const std::shared_ptr<Blocked> blocked_ = std::make_shared<Blocked>();
  std::optional<Poller> poller_;
  std::unique_ptr<UsageDesk> usage_;
  std::optional<DetailDesk> desk_;
  std::vector<v1::DetailReply> later_;
};

TEST_F(DetailDeskTest, UsageIsAnsweredOnceForEachSlotThatThereIs) {
  ASSERT_FALSE(Take(UsageOf({3, 1, 3, 99, 0})));
  const v1::DetailReply reply = Later();
  EXPECT_EQ(reply.request(), 70);
  ASSERT_THAT(reply.usage().rows(), SizeIs(2));
  EXPECT_EQ(reply.usage().rows(0).generation(), 1);
  EXPECT_EQ(reply.usage().rows(1).generation(), 3);
  EXPECT_GT(reply.usage().rows(1).usage().resident(), 0);
}

TEST_F(DetailDeskTest, UsageOfNoneThatThereIsIsAnsweredAtOnce) {
  const auto reply = Take(UsageOf({98, 99}));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->request(), 70);
  EXPECT_TRUE(reply->has_usage()) << "an answer, if an empty one";
  EXPECT_THAT(reply->usage().rows(), IsEmpty());
}

TEST_F(DetailDeskTest, MoreThanAThousandAreMalformed) {
  ASSERT_FALSE(Take(UsageOf(std::vector<int64_t>(1000, 1))));
  const auto reply = Take(UsageOf(std::vector<int64_t>(1001, 1)));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->request(), 70);
  EXPECT_FALSE(reply->has_usage());
}

TEST_F(DetailDeskTest, ASlotIsToldWithItsUsage) {
  ASSERT_FALSE(Take(SlotOf(2)));
  const v1::DetailReply reply = Later();
  EXPECT_EQ(reply.request(), 80);
  EXPECT_EQ(reply.slot().beats(), 20);
  EXPECT_GT(reply.slot().usage().resident(), 0);
}

TEST_F(DetailDeskTest, ASlotThatGoesMeanwhileIsNotThere) {
  ASSERT_FALSE(Take(SlotOf(2)));
  slots_.erase(2);
  const v1::DetailReply reply = Later();
  EXPECT_EQ(reply.request(), 80);
  EXPECT_FALSE(reply.has_slot());
  const auto at_once = Take(SlotOf(2));
  ASSERT_TRUE(at_once) << "there is nothing to read";
  EXPECT_FALSE(at_once->has_slot());
}

TEST_F(DetailDeskTest, ASlotIsToldWithoutUsageWhereTooManyAsk) {
  while (!Take(UsageOf({1}))) {
  }
  const auto reply = Take(SlotOf(2));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->slot().beats(), 20);
  EXPECT_FALSE(reply->slot().has_usage());
}

TEST_F(DetailDeskTest, TheNodeIsToldAtOnce) {
  const auto reply = Take(SlotOf(0));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->node().guardian_pid(), 4242);
}

}  // namespace
}  // namespace procctl::node
