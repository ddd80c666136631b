#include "cli/table.h"

#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

TEST(Table, LinesUpAndLeavesNoBlanksAtTheEnd) {
  Table table({"A", "LONG", "C"});
  table.Add({{"wide"}, {"x"}, {"1"}});
  table.Add({{"y"}, {"z"}, {"22"}});
  EXPECT_EQ(table.Render(false),
            "A     LONG  C\n"
            "wide  x     1\n"
            "y     z     22\n");
}

TEST(Table, WithoutRowsIsNothing) { EXPECT_EQ(Table({"A"}).Render(true), ""); }

TEST(Table, WideCharactersLineUp) {
  Table table({"A", "B"});
  table.Add({{"日本"}, {"1"}});
  table.Add({{"abcd"}, {"2"}});
  EXPECT_EQ(table.Render(false), "A     B\n日本  1\nabcd  2\n");
}

TEST(Table, ColourDoesNotMoveColumns) {
  Table table({"A", "B"});
  table.Add({{"hung", Colour::kRed}, {"1"}});
  EXPECT_EQ(table.Render(true), "A     B\n\x1b[31mhung\x1b[0m  1\n");
  EXPECT_EQ(table.Render(false), "A     B\nhung  1\n");
}

TEST(Table, EmptyCellsAtTheEndLeaveNoBlanks) {
  Table table({"A", "B"});
  table.Add({{"x"}, {""}});
  EXPECT_EQ(table.Render(false), "A  B\nx\n");
}

}  // namespace
}  // namespace procctl::cli
