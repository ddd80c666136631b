#include "node/guardian/state_keeper.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace procctl::node {
namespace {

class StateKeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/procctl-keeper-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  StateKeeper Open(const std::string& boot = "boot", const std::string& node = "n1") {
    return StateKeeper(folder_ + "/journal", boot, node);
  }
  static v1::StateRecord Head() {
    v1::StateRecord record;
    record.mutable_head()->set_version(StateKeeper::kVersion);
    record.mutable_head()->set_boot_id("boot");
    record.mutable_head()->set_node("n1");
    record.mutable_head()->set_epoch(42);
    return record;
  }
  static v1::StateRecord Slot(int64_t generation) {
    v1::StateRecord record;
    record.mutable_slot()->set_generation(generation);
    return record;
  }
  static v1::StateRecord Event(int64_t seq) {
    v1::StateRecord record;
    record.mutable_event()->mutable_id()->set_seq(seq);
    return record;
  }

  std::string folder_;
};

TEST_F(StateKeeperTest, WhatWasCommittedIsFoundAndNothingElse) {
  {
    StateKeeper keeper = Open();
    EXPECT_FALSE(keeper.found());
    keeper.Put(Head());
    keeper.Put(Slot(7));
    keeper.Put(Slot(8));
    keeper.Commit();
    v1::StateRecord gone;
    gone.set_slot_gone(7);
    keeper.Put(std::move(gone));
    keeper.Commit();
    keeper.Put(Slot(9));  // the guardian is killed here
  }
  const StateKeeper next = Open();
  ASSERT_TRUE(next.found());
  EXPECT_EQ(next.found()->head.epoch(), 42);
  EXPECT_EQ(next.found()->slots.size(), 1u);
  EXPECT_TRUE(next.found()->slots.contains(8));
  EXPECT_EQ(next.found()->last_generation, 8)
      << "also numbers that are free again are never given out twice";
}

TEST_F(StateKeeperTest, AnotherBootOrNodeFindsNothing) {
  {
    StateKeeper keeper = Open();
    keeper.Put(Head());
    keeper.Commit();
  }
  EXPECT_FALSE(Open("other boot").found());
  EXPECT_FALSE(Open("boot", "n2").found());
  EXPECT_TRUE(Open().found());
}

TEST_F(StateKeeperTest, EventsStayUntilTheyAreSpooledAndAreThereOnce) {
  {
    StateKeeper keeper = Open();
    keeper.Put(Head());
    for (int64_t seq = 1; seq <= 5; ++seq) keeper.Put(Event(seq));
    keeper.Put(Event(4));  // written once more, as after a frame that did not fit
    v1::StateRecord spooled;
    spooled.set_spooled(2);
    keeper.Put(std::move(spooled));
    keeper.Commit();
  }
  const StateKeeper next = Open();
  ASSERT_TRUE(next.found());
  ASSERT_EQ(next.found()->events.size(), 3u);
  EXPECT_EQ(next.found()->events.front().id().seq(), 3);
  EXPECT_EQ(next.found()->last_seq, 5);
}

TEST_F(StateKeeperTest, AGrownFileIsWrittenAnewFromWhatIsTrueNow) {
  StateKeeper keeper = Open();
  keeper.SetSnapshot([] { return std::vector<v1::StateRecord>{Head(), Slot(100'000)}; });
  for (int64_t i = 0; i < 300'000; ++i) {
    keeper.Put(Slot(i));
    if (i % 100 == 0) keeper.Commit();
  }
  const auto before = std::filesystem::file_size(folder_ + "/journal");
  keeper.Tidy();
  EXPECT_LT(std::filesystem::file_size(folder_ + "/journal"), before / 100);
  const StateKeeper next = Open();
  ASSERT_TRUE(next.found());
  EXPECT_EQ(next.found()->slots.size(), 1u);
}

TEST_F(StateKeeperTest, ATurnTooLargeForOneFrameIsKeptInSeveral) {
  {
    StateKeeper keeper = Open();
    keeper.Put(Head());
    for (int i = 1; i <= 100; ++i) {
      v1::StateRecord record = Event(i);
      record.mutable_event()->set_message(std::string(30'000, 'x'));
      keeper.Put(std::move(record));
    }
    keeper.Commit();
  }
  const StateKeeper next = Open();
  ASSERT_TRUE(next.found());
  EXPECT_EQ(next.found()->events.size(), 100u);
}

TEST_F(StateKeeperTest, ALargeTurnIsThereWholeOrNotAtAll) {
  const std::string path = folder_ + "/journal";
  {
    StateKeeper keeper = Open();
    keeper.Put(Head());
    keeper.Commit();
    for (int64_t seq = 1; seq <= 3000; ++seq) {
      v1::StateRecord record = Event(seq);
      record.mutable_event()->set_message(std::string(1000, 'x'));
      keeper.Put(std::move(record));
    }
    keeper.Put(Slot(7));
    keeper.Commit();
  }
  {
    const StateKeeper next = Open();
    ASSERT_TRUE(next.found());
    EXPECT_EQ(next.found()->events.size(), 3000U);
    EXPECT_TRUE(next.found()->slots.contains(7));
  }
  // As a guardian leaves it that was killed in the middle of that write.
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  const StateKeeper next = Open();
  ASSERT_TRUE(next.found());
  EXPECT_TRUE(next.found()->events.empty());
  EXPECT_TRUE(next.found()->slots.empty());
}

TEST_F(StateKeeperTest, WhatCannotBeWrittenAnewGoesOnAsItIs) {
  {
    StateKeeper keeper = Open();
    keeper.SetSnapshot([] { return std::vector<v1::StateRecord>{Head()}; });
    keeper.Put(Head());
    keeper.Put(Slot(7));
    keeper.Commit();
    // Where the new file would be made.
    std::filesystem::create_directories(folder_ + "/journal.new/in the way");
    keeper.Rewrite();
    EXPECT_TRUE(keeper.keeping());
    keeper.Put(Slot(8));
    keeper.Commit();
  }
  const StateKeeper next = Open();
  ASSERT_TRUE(next.found());
  EXPECT_TRUE(next.found()->slots.contains(7));
  EXPECT_TRUE(next.found()->slots.contains(8));
}

TEST_F(StateKeeperTest, WithoutAPathItKeepsNothingAndMindsNothing) {
  StateKeeper keeper("", "boot", "n1");
  keeper.Put(Slot(1));
  keeper.Commit();
  keeper.Tidy();
  EXPECT_FALSE(keeper.found());
}

}  // namespace
}  // namespace procctl::node
