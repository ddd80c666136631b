#include "cli/cell.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace procctl::cli {
namespace {

TEST(Cell, BlanksOfEveryKindAreEscapedSoThatColumnsStayColumns) {
  EXPECT_EQ(Cell("my worker"), "my\\x20worker");
  EXPECT_EQ(Cell("a\tb"), "a\\x09b");
  EXPECT_EQ(Cell("a\u00a0b"), "a\\xc2\\xa0b");
  EXPECT_EQ(Cell("a\u3000b"), "a\\xe3\\x80\\x80b");
}

TEST(Cell, NothingActsOnATerminal) {
  EXPECT_EQ(Cell("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(Cell("\xff"), "\\xff");
}

TEST(Cell, NothingIsADash) { EXPECT_EQ(Cell(""), "-"); }

TEST(Cell, TextThatTheNodeEscapedIsNotEscapedAgain) { EXPECT_EQ(Cell("a\\x1bb"), "a\\x1bb"); }

TEST(Cell, RandomBytesNeverYieldBlanksOrControls) {
  std::mt19937 random(7);  // NOLINT: a fixed seed makes a failure repeatable
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 30, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    for (const char c : Cell(bytes)) ASSERT_GT(static_cast<unsigned char>(c), 0x20);
  }
}

TEST(DisplayWidth, CountsWhatTheEyeSees) {
  EXPECT_EQ(DisplayWidth("abc"), 3U);
  EXPECT_EQ(DisplayWidth("été"), 3U);
  EXPECT_EQ(DisplayWidth("日本"), 4U);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1U);
  EXPECT_EQ(DisplayWidth(""), 0U);
}

}  // namespace
}  // namespace procctl::cli
