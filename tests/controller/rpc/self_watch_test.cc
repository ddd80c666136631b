#include "controller/rpc/self_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "controller/rpc/clocks.h"
#include "controller/rpc/process_gauges.h"
#include "proto/support/unique_fd.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RecordingLog : public CommitLog {
 public:
  void Append(NodeBatch, Appended) override {}
  void AppendOwn(std::vector<v1::Event> events, Appended) override {
    for (const v1::Event& event : events) {
      EXPECT_EQ(event.kind(), v1::EVENT_KIND_CONTROLLER_ALARM);
      told_.push_back((event.severity() == v1::SEVERITY_ALARM ? "! " : "") + event.message());
    }
  }
  void Follow(Follower) override {}
  void LoadCursors(const std::string&, Loaded) override {}
  void AcceptGaps(const std::string&, std::int64_t, std::vector<HeldRange>, Loaded) override {}
  std::size_t WaitingBytes() const override { return 0; }
  std::vector<std::string> Take() { return std::exchange(told_, {}); }

 private:
  std::vector<std::string> told_;
};

class SelfWatchTest : public ::testing::Test {
 protected:
  std::vector<std::string> Tick() {
    now_ += seconds(5);
    watch_.Tick(now_);
    return log_.Take();
  }

  MonoTime now_{seconds(100)};
  std::optional<std::int64_t> resident_ = 10;
  std::optional<std::int64_t> descriptors_ = 10;
  bool deaf_ = false;
  std::chrono::nanoseconds unanswered_{0};
  bool disk_works_ = true;
  RecordingLog log_;
  Admission admission_;
  SelfWatch watch_{
      {.memory = 1000, .descriptors = 100, .answer = seconds(5)},
      {[this] { return resident_; }, [this] { return descriptors_; }, [this] { return deaf_; },
       [this] { return unanswered_; }, [this] { return disk_works_; }},
      &log_,
      &admission_};
};

TEST_F(SelfWatchTest, AHealthyControllerSaysNothing) {
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_TRUE(watch_.ready());
  EXPECT_TRUE(admission_.Check().ok());
  resident_.reset();
  descriptors_.reset();
  EXPECT_THAT(Tick(), IsEmpty()) << "what is not known is no alarm";
  EXPECT_TRUE(watch_.ready());
}

TEST_F(SelfWatchTest, OverTheFuseNothingNewBeginsAndBothEndsAreOneEvent) {
  resident_ = 1001;
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("! the controller uses 1001 of memory, limit 1000")));
  EXPECT_EQ(admission_.Check().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(watch_.ready());
  resident_ = 950;
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_FALSE(admission_.Check().ok());
  resident_ = 800;
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("the controller uses 800 of memory again")));
  EXPECT_TRUE(admission_.Check().ok());
  EXPECT_TRUE(watch_.ready());
}

TEST_F(SelfWatchTest, DescriptorsAreAnAlarmAndRefuseNobody) {
  descriptors_ = 71;
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("! the controller uses 71 of 100 descriptors")));
  EXPECT_TRUE(watch_.ready());
  EXPECT_TRUE(admission_.Check().ok());
  descriptors_ = 60;
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("uses 60 of 100 descriptors again")));
}

TEST_F(SelfWatchTest, DeafOrHeldUpIsNotReadyAndIsTold) {
  deaf_ = true;
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("! the controller does not accept connections")));
  EXPECT_FALSE(watch_.ready());
  EXPECT_TRUE(admission_.Check().ok());
  deaf_ = false;
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("accepts connections again")));
  unanswered_ = seconds(5);
  EXPECT_THAT(Tick(), IsEmpty());
  unanswered_ += std::chrono::nanoseconds(1);
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("! the controller does not answer a call of its own")));
  EXPECT_FALSE(watch_.ready());
  unanswered_ = seconds(0);
  EXPECT_THAT(Tick(), ElementsAre(HasSubstr("answers its own calls again")));
  EXPECT_TRUE(watch_.ready());
}

TEST_F(SelfWatchTest, ADiskThatFailsIsNotReadyAndToldByTheStore) {
  disk_works_ = false;
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_FALSE(watch_.ready());
  disk_works_ = true;
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_TRUE(watch_.ready());
}

TEST(ProcessGauges, SayWhatThisProcessUses) {
  const auto before = ResidentMemory();
  ASSERT_TRUE(before.has_value());
  std::vector<char> block(64 << 20, 1);
  EXPECT_GE(*ResidentMemory(), *before + (48 << 20)) << block.back();
  EXPECT_GT(*MachineMemory(), *before);
  const auto open = OpenDescriptors();
  ASSERT_TRUE(open.has_value());
  const UniqueFd one(dup(0));
  const UniqueFd two(dup(0));
  if (!two.ok()) GTEST_SKIP() << "no standard input to duplicate";
  EXPECT_EQ(*OpenDescriptors(), *open + 2);
}

}  // namespace
}  // namespace procctl::controller
