#include "node/os/state_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace procctl::node {
namespace {

class StateFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/procctl-state-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(StateFilesTest, EpochsGrowAcrossStarts) {
  absl::Status stored;
  const std::string file = dir_ + "/epoch";
  EXPECT_EQ(NextEpoch(file, 100, &stored), 100);
  EXPECT_TRUE(stored.ok()) << stored;
  EXPECT_EQ(NextEpoch(file, 50, &stored), 101)
      << "a clock that went back must not give an old number";
  EXPECT_EQ(NextEpoch(file, 100, &stored), 102);
  EXPECT_EQ(NextEpoch(file, 1000, &stored), 1000);
}

TEST_F(StateFilesTest, ADamagedEpochFileCountsAsAbsent) {
  std::ofstream(dir_ + "/epoch") << "\xff\xff garbage";
  absl::Status stored;
  EXPECT_EQ(NextEpoch(dir_ + "/epoch", 100, &stored), 100);
  EXPECT_EQ(NextEpoch(dir_ + "/epoch", 100, &stored), 101);
}

TEST_F(StateFilesTest, AnEpochThatCannotBeStoredIsStillGivenAndSaidToBeSo) {
  absl::Status stored;
  EXPECT_EQ(NextEpoch(dir_ + "/no/such/folder/epoch", 100, &stored), 100);
  EXPECT_FALSE(stored.ok());
}

TEST_F(StateFilesTest, OnlyOneHoldsTheLock) {
  auto first = LockFile(dir_ + "/lock");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(LockFile(dir_ + "/lock").status()));
  first->reset();
  EXPECT_TRUE(LockFile(dir_ + "/lock").ok());
}

TEST_F(StateFilesTest, AFolderThatOthersMayWriteIsRefusedWithTheWayOut) {
  EXPECT_TRUE(EnsureFolder(dir_ + "/a/b", 0755).ok());
  EXPECT_TRUE(EnsureFolder(dir_ + "/a/b", 0755).ok());
  ASSERT_EQ(chmod((dir_ + "/a/b").c_str(), 0777), 0);
  const absl::Status status = EnsureFolder(dir_ + "/a/b", 0755);
  EXPECT_NE(status.message().find("chmod go-w"), absl::string_view::npos) << status;
}

TEST_F(StateFilesTest, AFolderOfSomebodyElseIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  ASSERT_EQ(mkdir((dir_ + "/x").c_str(), 0755), 0);
  ASSERT_EQ(chown((dir_ + "/x").c_str(), 65534, 65534), 0);
  EXPECT_FALSE(EnsureFolder(dir_ + "/x", 0755).ok());
}

}  // namespace
}  // namespace procctl::node
