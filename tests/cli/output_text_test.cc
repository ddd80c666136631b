#include "cli/output_text.h"

#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

TEST(OutputText, KeepsLinesAndTabsAndEscapesTheRest) {
  OutputText text;
  EXPECT_EQ(text.Add("a\tb\nc\n"), "a\tb\nc\n");
  EXPECT_EQ(text.Add("\x1b[2J\r\x07\n"), "\\x1b[2J\\x0d\\x07\n");
  EXPECT_EQ(text.Add("back\\slash"), "back\\slash");
  EXPECT_EQ(text.Rest(), "");
}

TEST(OutputText, ACharacterThatIsCutInTwoStaysWhole) {
  const std::string smile = "\xf0\x9f\x98\x80";
  for (size_t cut = 1; cut < smile.size(); ++cut) {
    OutputText text;
    EXPECT_EQ(text.Add("a" + smile.substr(0, cut)), "a");
    EXPECT_EQ(text.Add(smile.substr(cut) + "b"), smile + "b");
  }
}

TEST(OutputText, WhatIsNeverFinishedIsEscapedAtTheEnd) {
  OutputText text;
  EXPECT_EQ(text.Add("a\xe2\x82"), "a");
  EXPECT_EQ(text.Rest(), "\\xe2\\x82");
  EXPECT_EQ(text.Rest(), "");
}

TEST(OutputText, BytesThatCanBeginNothingDoNotWait) {
  OutputText text;
  EXPECT_EQ(text.Add("\x80\x80\x80\x80"), "\\x80\\x80\\x80\\x80");
  EXPECT_EQ(text.Add("\xff"), "\\xff");
  EXPECT_EQ(text.Add("\xc0"), "\\xc0");
}

}  // namespace
}  // namespace procctl::cli
