#include "node/os/board.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/node/os/tiny_tmpfs.h"

namespace procctl::node {
namespace {

constexpr std::string_view kBoot = "11111111-2222-3333-4444-555555555555";
constexpr std::string_view kOtherBoot = "11111111-2222-3333-4444-555555555556";
constexpr size_t kCells = 100;

class BoardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/procctl-board-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
    path_ = dir_ + "/board";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  Board Open(size_t capacity = kCells, std::string_view boot = kBoot) {
    auto board = Board::Open(path_, boot, capacity);
    EXPECT_TRUE(board.ok()) << board.status();
    return board.ok() ? *std::move(board) : Board::Anonymous(capacity);
  }
  // A guardian that counted and is gone.
  void LeaveOneBehind() {
    Board board = Open();
    static const procctl_page page{};
    for (size_t i = 0; i < kCells; ++i) {
      board.cells()[i].page = &page;
      board.cells()[i].silence = static_cast<int64_t>(i) * 1000;
      board.histories()[i].generation = static_cast<int64_t>(i) + 1;
      board.histories()[i].gaps[15] = static_cast<uint32_t>(i);
    }
  }
  // True if every cell has what LeaveOneBehind left in it, and no page.
  static bool Holds(Board& board) {
    for (size_t i = 0; i < kCells; ++i) {
      const HeartCell& cell = board.cells()[i];
      const HeartHistory& history = board.histories()[i];
      if (cell.page != nullptr || cell.silence != static_cast<int64_t>(i) * 1000 ||
          history.generation != static_cast<int64_t>(i) + 1 || history.gaps[15] != i) {
        return false;
      }
    }
    return true;
  }
  static bool Blank(Board& board) {
    for (const HeartCell& cell : board.cells())
      if (cell.page != nullptr || cell.silence != 0) return false;
    for (const HeartHistory& history : board.histories())
      if (history.generation != 0) return false;
    return true;
  }
  std::string Bytes() {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::string dir_;
  std::string path_;
};

TEST_F(BoardTest, ANewOneIsBlankPrivateAndWhole) {
  Board board = Open();
  EXPECT_FALSE(board.found());
  EXPECT_EQ(board.cells().size(), kCells);
  EXPECT_EQ(board.histories().size(), kCells);
  EXPECT_TRUE(Blank(board));
  struct stat s {};
  ASSERT_EQ(stat(path_.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777, 0600u);
  EXPECT_EQ(static_cast<size_t>(s.st_size), 128 + kCells * (64 + 128));
  EXPECT_GE(s.st_blocks * 512, s.st_size) << "a hole could be a SIGBUS later";
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(BoardTest, WhatWasCountedIsThereAfterTheGuardianWasKilled) {
  Open();
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    LeaveOneBehind();
    (void)!write(ready[1], "x", 1);
    for (;;) pause();
  }
  close(ready[1]);
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  Board board = Open();
  EXPECT_TRUE(board.found());
  EXPECT_TRUE(Holds(board)) << "also that no page of the dead guardian is left to follow";
}

TEST_F(BoardTest, AnotherBootBeginsAnew) {
  LeaveOneBehind();
  {
    Board board = Open(kCells, kOtherBoot);
    EXPECT_FALSE(board.found());
    EXPECT_TRUE(Blank(board));
  }
  EXPECT_FALSE(Open().found()) << "the earlier boot's board is gone";
}

TEST_F(BoardTest, AnyOtherLengthBeginsAnew) {
  LeaveOneBehind();
  const std::string whole = Bytes();
  std::vector<std::string> others = {whole + "x"};
  for (const size_t n : {0ul, 1ul, 127ul, 128ul, 129ul, whole.size() - 1})
    others.push_back(whole.substr(0, n));
  for (const std::string& bytes : others) {
    Write(bytes);
    Board board = Open();
    EXPECT_FALSE(board.found()) << bytes.size();
    EXPECT_TRUE(Blank(board)) << bytes.size();
  }
  Write(whole);
  EXPECT_TRUE(Open().found());
}

TEST_F(BoardTest, AHeaderThatIsNotExactlyOursBeginsAnew) {
  LeaveOneBehind();
  const std::string whole = Bytes();
  // Magic, version, both sizes, capacity and boot id; 20 to 23 are reserved.
  for (size_t at = 0; at < 32 + kBoot.size(); ++at) {
    if (at >= 20 && at < 24) continue;
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    Write(bytes);
    Board board = Open();
    EXPECT_FALSE(board.found()) << "byte " << at;
    EXPECT_EQ(board.capacity(), kCells);
    EXPECT_TRUE(Blank(board)) << "byte " << at;
  }
  Write(std::string(whole.size(), '\xff'));
  EXPECT_FALSE(Open().found());
}

TEST_F(BoardTest, ALargerOneTakesTheCellsAlong) {
  LeaveOneBehind();
  {
    Board board = Open(kCells * 3);
    EXPECT_TRUE(board.found());
    EXPECT_EQ(board.capacity(), kCells * 3);
    EXPECT_TRUE(Holds(board));
    for (size_t i = kCells; i < kCells * 3; ++i) {
      EXPECT_EQ(board.histories()[i].generation, 0) << i;
      EXPECT_EQ(board.cells()[i].silence, 0) << i;
    }
  }
  Board board = Open(kCells * 3);
  EXPECT_TRUE(board.found());
  EXPECT_TRUE(Holds(board));
}

TEST_F(BoardTest, ItNeverShrinks) {
  LeaveOneBehind();
  Board board = Open(3);
  EXPECT_TRUE(board.found());
  EXPECT_EQ(board.capacity(), kCells);
  EXPECT_TRUE(Holds(board));
}

TEST_F(BoardTest, ALinkIsReplacedAndItsTargetUntouched) {
  const std::string target = dir_ + "/target";
  {
    // Even a good board is not believed through a link.
    LeaveOneBehind();
    std::filesystem::rename(path_, target);
  }
  std::filesystem::create_symlink(target, path_);
  {
    Board board = Open();
    EXPECT_FALSE(board.found());
    board.cells()[0].silence = 77;
  }
  EXPECT_FALSE(std::filesystem::is_symlink(path_));
  std::filesystem::rename(target, path_);
  Board board = Open();
  EXPECT_TRUE(board.found());
  EXPECT_TRUE(Holds(board));
}

TEST_F(BoardTest, ANameThatWouldBlockOrCannotBeReplaced) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(Open().found());
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(Board::Open(path_, kBoot, kCells).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(BoardTest, AFileThatSomebodyElseOwnsOrMayWriteIsNotBelieved) {
  LeaveOneBehind();
  ASSERT_EQ(chmod(path_.c_str(), 0620), 0);
  EXPECT_FALSE(Open().found());
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  std::filesystem::remove(path_);
  LeaveOneBehind();
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(Open().found());
  struct stat s {};
  ASSERT_EQ(stat(path_.c_str(), &s), 0);
  EXPECT_EQ(s.st_uid, 0u);
}

TEST_F(BoardTest, ALeftoverOfAKilledStartIsNoHindrance) {
  LeaveOneBehind();
  std::ofstream(path_ + ".new") << "half a board";
  Board board = Open(kCells * 2);
  EXPECT_TRUE(board.found());
  EXPECT_TRUE(Holds(board));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(BoardTest, AFullFileSystemIsSaidAtOnceAndCostsNothing) {
  const TinyTmpfs tmpfs(dir_, 64 * 1024);
  if (!tmpfs.why().empty()) GTEST_SKIP() << tmpfs.why();
  EXPECT_TRUE(absl::IsResourceExhausted(Board::Open(path_, kBoot, 10000).status()));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  LeaveOneBehind();
  EXPECT_TRUE(absl::IsResourceExhausted(Board::Open(path_, kBoot, 10000).status()));
  Board board = Open();
  EXPECT_TRUE(board.in_memory());
  EXPECT_TRUE(board.found());
  EXPECT_TRUE(Holds(board));
  // Fill what is left; every cell can still be written.
  std::ofstream fill(dir_ + "/fill", std::ios::binary);
  fill << std::string(128 * 1024, 'x') << std::flush;
  EXPECT_FALSE(fill.good()) << "the file system was to be full now";
  for (HeartCell& cell : board.cells()) cell.silence = 1;
  for (HeartHistory& history : board.histories()) history.worst_gap = 1;
}

TEST_F(BoardTest, SensibleRequestsOnly) {
  EXPECT_TRUE(absl::IsInvalidArgument(Board::Open(path_, kBoot, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Board::Open(path_, kBoot, Board::kMostCells + 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Board::Open(path_, std::string(37, 'a'), kCells).status()));
  EXPECT_TRUE(absl::IsNotFound(Board::Open(dir_ + "/no/board", kBoot, kCells).status()));
}

TEST_F(BoardTest, AnonymousWorksAndMoves) {
  Board board = Board::Anonymous(5);
  EXPECT_FALSE(board.found());
  EXPECT_TRUE(Blank(board));
  HeartCell* first = &board.cells()[0];
  first->beats = 9;
  Board moved = std::move(board);
  EXPECT_EQ(&moved.cells()[0], first);
  EXPECT_EQ(moved.cells()[0].beats, 9u);
  EXPECT_TRUE(board.cells().empty());  // NOLINT(bugprone-use-after-move): that it is safe
  moved = Board::Anonymous(7);
  EXPECT_EQ(moved.histories().size(), 7u);
}

}  // namespace
}  // namespace procctl::node
