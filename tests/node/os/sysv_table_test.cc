#include "node/os/sysv_table.h"

#include <gtest/gtest.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace procctl::node {
namespace {

class SysvTableTest : public ::testing::Test {
 protected:
  // A key of this test process alone.
  key_t key_ = static_cast<key_t>(0x70000000 + getpid());
  void TearDown() override {
    const int id = shmget(key_, 0, 0);
    if (id >= 0) shmctl(id, IPC_RMID, nullptr);
  }
  ClassicRow* Attach() { return static_cast<ClassicRow*>(shmat(shmget(key_, 0, 0), nullptr, 0)); }
};

TEST_F(SysvTableTest, MakesTheSegmentAndTakesItUpAgain) {
  {
    auto table = SysvTable::Open(key_, 10, getegid());
    ASSERT_TRUE(table.ok()) << table.status();
  }
  shmid_ds info{};
  ASSERT_EQ(shmctl(shmget(key_, 0, 0), IPC_STAT, &info), 0);
  EXPECT_EQ(info.shm_perm.mode & 0777, 0660u);
  EXPECT_EQ(info.shm_segsz, 10 * sizeof(ClassicRow));
  EXPECT_TRUE(SysvTable::Open(key_, 10, getegid()).ok());
}

TEST_F(SysvTableTest, RefusesAnotherSizeAndAnOpenMode) {
  ASSERT_TRUE(SysvTable::Open(key_, 10, getegid()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(SysvTable::Open(key_, 11, getegid()).status()));
  const int id = shmget(key_, 0, 0);
  shmid_ds info{};
  shmctl(id, IPC_STAT, &info);
  info.shm_perm.mode = 0666;
  ASSERT_EQ(shmctl(id, IPC_SET, &info), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(SysvTable::Open(key_, 10, getegid()).status()));
}

TEST_F(SysvTableTest, RefusesASegmentThatAnotherUserMade) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(65534) != 0) _exit(1);
    _exit(shmget(key_, 10 * sizeof(ClassicRow), IPC_CREAT | IPC_EXCL | 0660) < 0 ? 2 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  const auto table = SysvTable::Open(key_, 10, getegid());
  EXPECT_TRUE(absl::IsFailedPrecondition(table.status()));
  EXPECT_NE(table.status().message().find("made by user 65534"), absl::string_view::npos)
      << table.status();
}

TEST_F(SysvTableTest, ClearsARowOnlyIfItIsStillThatProcesss) {
  auto table = SysvTable::Open(key_, 10, getegid());
  ASSERT_TRUE(table.ok());
  ClassicRow* rows = Attach();
  rows[3].pid = 4242;
  EXPECT_FALSE(table->Clear(3, 4241));
  EXPECT_EQ(rows[3].pid, 4242);
  EXPECT_TRUE(table->Clear(3, 4242));
  EXPECT_EQ(rows[3].pid, 0);
  shmdt(rows);
}

TEST_F(SysvTableTest, CopiesWhatProgramsWrite) {
  auto table = SysvTable::Open(key_, 10, getegid());
  ASSERT_TRUE(table.ok());
  ClassicRow* rows = Attach();
  rows[9].pid = 77;
  std::strcpy(rows[9].name, "last");
  rows[9].atime = 5;
  std::vector<ClassicRow> copy;
  table->Copy(&copy);
  ASSERT_EQ(copy.size(), 10u);
  EXPECT_EQ(copy[9].pid, 77);
  EXPECT_STREQ(copy[9].name, "last");
  EXPECT_EQ(table->Atime(9), 5);
  shmdt(rows);
}

TEST_F(SysvTableTest, SeesItsRemoval) {
  auto table = SysvTable::Open(key_, 10, getegid());
  ASSERT_TRUE(table.ok());
  EXPECT_TRUE(table->StillThere());
  ASSERT_EQ(shmctl(shmget(key_, 0, 0), IPC_RMID, nullptr), 0);
  EXPECT_FALSE(table->StillThere());
}

TEST_F(SysvTableTest, AMapProvesWhoHasAttached) {
  auto table = SysvTable::Open(key_, 10, getegid());
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(HasAttached(getpid(), table->map_identity()), true);
  EXPECT_EQ(HasAttached(getppid(), table->map_identity()), false);
  EXPECT_EQ(HasAttached(INT32_MAX, table->map_identity()), std::nullopt);
}

}  // namespace
}  // namespace procctl::node
