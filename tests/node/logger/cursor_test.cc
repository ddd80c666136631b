#include "node/logger/cursor.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace procctl::logger {
namespace {

TEST(FileCursor, ComesBackAsItWasWritten) {
  const FileCursor cursor{{~uint64_t{0}, 12, 1'700'000'000'123'456'789}, int64_t{1} << 40};
  EXPECT_EQ(ParseFileCursor(FormatCursor(cursor)), cursor);
  EXPECT_EQ(FormatCursor(FileCursor{{1, 2, 4}, 3}), "1:2:3:4");
}

TEST(FileCursor, NothingElseIsTaken) {
  for (const char* text :
       {"", ":", "1:2:3", "1:2:3:", "1:2:3:4:", "1:2:3:4x", "1:2:-3:4", " 1:2:3:4", "1:2:3:-4",
        "99999999999999999999:2:3:4", "1:2:9223372036854775808:4", "memory:1:2", "begin"}) {
    EXPECT_FALSE(ParseFileCursor(text)) << text;
  }
}

TEST(MemoryCursor, ComesBackAsItWasWrittenAndNothingElseIsTaken) {
  const MemoryCursor cursor{77, 123};
  EXPECT_EQ(ParseMemoryCursor(FormatCursor(cursor)), cursor);
  for (const char* text : {"", "memory:", "memory:1", "memory:1:", "memory:1:-2", "1:2:3:4"}) {
    EXPECT_FALSE(ParseMemoryCursor(text)) << text;
  }
}

PresentFile Present(int index, uint64_t inode, int64_t size, int64_t born = 1) {
  return {index, {1, inode, born}, size};
}

void Expect(const ReadStart& start, int at, int64_t offset, bool lost) {
  EXPECT_EQ(start.at, at);
  EXPECT_EQ(start.offset, offset);
  EXPECT_EQ(start.lost, lost);
}

TEST(FindStart, GoesOnInItsFileWhereverThatIs) {
  Expect(FindStart({Present(0, 30, 5), Present(1, 20, 9), Present(3, 10, 9)}, {{1, 20, 1}, 9}), 1,
         9, false);
}

TEST(FindStart, BeginsWithTheOldestIfItsFileIsGone) {
  Expect(FindStart({Present(0, 30, 5), Present(1, 20, 9)}, {{1, 10, 1}, 4}), 1, 0, true);
  Expect(FindStart({}, {{1, 10, 1}, 4}), -1, 0, true);
}

TEST(FindStart, AnInodeThatIsUsedAgainIsAnotherFile) {
  Expect(FindStart({Present(0, 10, 500, 2)}, {{1, 10, 1}, 4}), 0, 0, true);
}

TEST(FindStart, AFileThatGotShorterBeginsAgain) {
  Expect(FindStart({Present(0, 10, 4)}, {{1, 10, 1}, 4}), 0, 4, false);
  Expect(FindStart({Present(0, 10, 3)}, {{1, 10, 1}, 4}), 0, 0, true);
}

// The last lines of a text that is handed over in blocks.
std::string Tail(const std::string& text, int64_t lines, size_t block) {
  TailFinder finder(lines);
  for (size_t end = text.size(); end > 0;) {
    const size_t begin = end > block ? end - block : 0;
    if (const auto at = finder.Feed(std::string_view(text).substr(begin, end - begin)))
      return text.substr(begin + *at);
    end = begin;
  }
  return text;
}

TEST(TailFinder, FindsTheLastLines) {
  EXPECT_EQ(Tail("a\nb\nc\n", 0, 100), "");
  EXPECT_EQ(Tail("a\nb\nc\n", 1, 100), "c\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 2, 100), "b\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 3, 100), "a\nb\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 9, 100), "a\nb\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", -1, 100), "");
}

TEST(TailFinder, ALineThatHasNotEndedCounts) {
  EXPECT_EQ(Tail("a\nb\nc", 1, 100), "c");
  EXPECT_EQ(Tail("a\n\n\n", 2, 100), "\n\n");
}

TEST(TailFinder, DoesNotDependOnTheBlocks) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 300; ++i) {
    std::string text(random() % 60, 'x');
    for (char& c : text) c = random() % 4 == 0 ? '\n' : 'x';
    const int64_t lines = random() % 6;
    const std::string whole = Tail(text, lines, 1000);
    EXPECT_EQ(Tail(text, lines, 1 + random() % 7), whole) << text << "|" << lines;
  }
}

}  // namespace
}  // namespace procctl::logger
