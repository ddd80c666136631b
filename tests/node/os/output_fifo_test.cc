#include "node/os/output_fifo.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace procctl::node {
namespace {

class OutputFifoTest : public ::testing::Test {
 protected:
  OutputFifoTest() {
    char path[] = "/tmp/procctl-fifo-XXXXXX";
    if (mkdtemp(path) == nullptr) std::abort();
    folder_ = path;
  }
  ~OutputFifoTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(OutputFifoTest, IsMadeForItsOwnerAndFoundAgain) {
  const std::string path = folder_ + "/web.out";
  ASSERT_TRUE(MakeOutputFifo(path).ok());
  struct stat facts {};
  ASSERT_EQ(lstat(path.c_str(), &facts), 0);
  EXPECT_TRUE(S_ISFIFO(facts.st_mode));
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  const ino_t inode = facts.st_ino;
  ASSERT_TRUE(MakeOutputFifo(path).ok());
  ASSERT_EQ(lstat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_ino, inode);
}

TEST_F(OutputFifoTest, NothingElseIsTakenForOne) {
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeOutputFifo(folder_ + "/file")));
  ASSERT_TRUE(MakeOutputFifo(folder_ + "/fifo").ok());
  std::filesystem::create_symlink(folder_ + "/fifo", folder_ + "/link");
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeOutputFifo(folder_ + "/link")));
  EXPECT_TRUE(absl::IsUnavailable(MakeOutputFifo(folder_ + "/absent/fifo")));
}

TEST_F(OutputFifoTest, AnothersIsNotTaken) {
  if (geteuid() != 0) GTEST_SKIP() << "giving a file away needs root";
  const std::string path = folder_ + "/web.out";
  ASSERT_TRUE(MakeOutputFifo(path).ok());
  ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(MakeOutputFifo(path)));
}

}  // namespace
}  // namespace procctl::node
