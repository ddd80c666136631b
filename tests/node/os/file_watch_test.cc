// A file that changes, in all the ways that editors and tools have.
#include "node/os/file_watch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

namespace procctl::node {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    char pattern[] = "/tmp/procctl-watch-XXXXXX";
    folder_ = mkdtemp(pattern);
    file_ = folder_ + "/node.yaml";
    Write("node.yaml", "a");
    auto watch = FileWatch::Open(file_);
    EXPECT_TRUE(watch.ok()) << watch.status();
    if (watch.ok()) watch_ = std::make_unique<FileWatch>(*std::move(watch));
  }
  ~FileWatchTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  bool Add() {
    const FileWatch::Added added = watch_->Add();
    watch_->Use(added);
    return added.complete;
  }
  // The kernel has told of everything by the time that the system call returns.
  bool Changed() {
    pollfd ready{.fd = watch_->fd(), .events = POLLIN, .revents = 0};
    const bool readable = poll(&ready, 1, 0) == 1;
    const bool changed = watch_->Changed();
    EXPECT_TRUE(readable || !changed);
    return changed;
  }

  std::string folder_;
  std::string file_;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, WhatIsWrittenInPlaceIsSeen) {
  ASSERT_TRUE(Add());
  EXPECT_FALSE(Changed());
  Write("node.yaml", "b");
  EXPECT_TRUE(Changed());
  EXPECT_FALSE(Changed()) << "once";
  std::ofstream(file_, std::ios::app) << "c";
  EXPECT_TRUE(Changed());
  ASSERT_EQ(chmod(file_.c_str(), 0600), 0);
  EXPECT_TRUE(Changed()) << "it may be readable now";
}

TEST_F(FileWatchTest, WhatIsRenamedOverItIsSeenEachTime) {
  ASSERT_TRUE(Add());
  for (int i = 0; i < 3; ++i) {
    Write("node.yaml.new", "b");
    EXPECT_FALSE(Changed()) << "another file of the folder";
    std::filesystem::rename(folder_ + "/node.yaml.new", file_);
    EXPECT_TRUE(Changed());
    ASSERT_TRUE(Add());
    Write("node.yaml", "c");
    EXPECT_TRUE(Changed());
  }
}

TEST_F(FileWatchTest, WhatIsWrittenByAnotherNameOfItIsSeen) {
  std::filesystem::create_directory(folder_ + "/elsewhere");
  std::filesystem::create_hard_link(file_, folder_ + "/elsewhere/same");
  ASSERT_TRUE(Add());
  EXPECT_FALSE(Changed());
  Write("elsewhere/same", "b");
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, ALinkIsFollowedAndSeenWhenItIsSetAnew) {
  std::filesystem::create_directory(folder_ + "/releases");
  Write("releases/1", "a");
  Write("releases/2", "b");
  std::filesystem::remove(file_);
  std::filesystem::create_symlink("releases/1", file_);
  ASSERT_TRUE(Add());
  (void)Changed();
  Write("releases/1", "c");
  EXPECT_TRUE(Changed());
  std::filesystem::create_symlink("releases/2", folder_ + "/new");
  std::filesystem::rename(folder_ + "/new", file_);
  EXPECT_TRUE(Changed());
  ASSERT_TRUE(Add());
  (void)Changed();
  Write("releases/1", "d");
  EXPECT_FALSE(Changed()) << "the file before is watched no more";
  Write("releases/2", "e");
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, OneThatIsMissingIsSeenWhenItComes) {
  std::filesystem::remove(file_);
  EXPECT_FALSE(Add()) << "incomplete";
  (void)Changed();
  Write("node.yaml", "b");
  EXPECT_TRUE(Changed());
  EXPECT_TRUE(Add());
}

TEST_F(FileWatchTest, AFloodElsewhereIsReadAndIsNoChange) {
  ASSERT_TRUE(Add());
  Write("other1", "x");
  Write("other2", "x");
  for (mode_t i = 0; i < 2000; ++i) {
    // Two in turn: the same event twice in a row is one.
    ASSERT_EQ(chmod((folder_ + (i % 2 == 0 ? "/other1" : "/other2")).c_str(), 0600 + i % 8), 0);
  }
  bool changed = false;
  for (int i = 0; i < 100; ++i) changed = Changed() || changed;
  EXPECT_FALSE(changed);
  Write("node.yaml", "b");
  EXPECT_TRUE(Changed());
}

}  // namespace
}  // namespace procctl::node
