#include "controller/pki/safe_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(WriteFileSafely, LeavesNothingButTheFile) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  ASSERT_TRUE(WriteFileSafely(path, "one", 0600, Existing::kRefuse).ok());
  ASSERT_TRUE(WriteFileSafely(path, "two", 0640, Existing::kReplace).ok());
  EXPECT_EQ(TextOf(path), "two");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteFileSafely, RefusesWhatExistsAndLeavesNothingBehind) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.Write("file", "old");
  EXPECT_TRUE(absl::IsAlreadyExists(WriteFileSafely(path, "new", 0600, Existing::kRefuse)));
  EXPECT_EQ(TextOf(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

// A link that somebody laid must not lead a secret elsewhere.
TEST(WriteFileSafely, DoesNotFollowALink) {
  const testing::TemporaryFolder folder;
  const std::string target = folder.path() + "/elsewhere";
  std::filesystem::create_symlink(target, folder.path() + "/key.pem");
  EXPECT_FALSE(WriteFileSafely(folder.path() + "/key.pem", "secret", 0600, Existing::kRefuse).ok());
  EXPECT_FALSE(FileExists(target));
}

TEST(MakeFolders, MakesEachPartForItsOwnerOnly) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(MakeFolders(folder.path() + "/a/b/c/").ok());
  ASSERT_TRUE(MakeFolders(folder.path() + "/a/b/c").ok());
  for (const char* part : {"/a", "/a/b", "/a/b/c"}) {
    struct stat info {};
    ASSERT_EQ(stat((folder.path() + part).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700U) << part;
  }
}

TEST(MakeFolders, AFileInTheWayIsSaid) {
  const testing::TemporaryFolder folder;
  folder.Write("file", "");
  EXPECT_FALSE(MakeFolders(folder.path() + "/file").ok());
  EXPECT_FALSE(MakeFolders(folder.path() + "/file/sub").ok());
}

}  // namespace
}  // namespace procctl
