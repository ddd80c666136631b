#include "proto/support/escape.h"

#include <gtest/gtest.h>

#include <random>

namespace procctl {
namespace {

using namespace std::string_literals;

TEST(Escape, PrintableTextPasses) {
  EXPECT_EQ(Escape("encoder-2 (été 日本 🙂)"), "encoder-2 (été 日本 🙂)");
  EXPECT_EQ(Escape(""), "");
}

TEST(Escape, ControlCharactersBecomeHex) {
  EXPECT_EQ(Escape("\x1b[31mred\x07"), "\\x1b[31mred\\x07");
  EXPECT_EQ(Escape("a\0b\nc\x7f"s), "a\\x00b\\x0ac\\x7f");
}

// U+009B is a one-character escape sequence on many terminals.
TEST(Escape, C1ControlsBecomeHex) { EXPECT_EQ(Escape("\xc2\x9b"), "\\xc2\\x9b"); }

TEST(Escape, WhatIsInvisibleOrTurnsTextAroundBecomesHex) {
  for (const char* text : {"\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u00ad", "\u180e",
                           "\U0001bca0", "\U0001d173", "\U000e0041"}) {
    EXPECT_EQ(Escape(text).substr(0, 2), "\\x") << Escape(text);
  }
}

TEST(Escape, MalformedUtf8BecomesHexByteByByte) {
  EXPECT_EQ(Escape("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Escape("\xc3"), "\\xc3");                             // cut off
  EXPECT_EQ(Escape("\xc3(x"), "\\xc3(x");                         // no continuation
  EXPECT_EQ(Escape("\xc0\x80"), "\\xc0\\x80");                    // overlong NUL
  EXPECT_EQ(Escape("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(Escape("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(Escape("\x80ok"), "\\x80ok");
}

TEST(Escape, BackslashIsEscapedSoThatTheResultIsUnambiguous) {
  EXPECT_EQ(Escape("\\x1b"), "\\x5cx1b");
  EXPECT_NE(Escape("\\x1b"), Escape("\x1b"));
}

TEST(Printable, LeavesBackslashesOfTextThatWasEscapedBefore) {
  const std::string once = Escape("\x1b[31m");
  EXPECT_EQ(Printable(once), once);
  EXPECT_EQ(Printable("\x1b"), "\\x1b");
}

TEST(Printable, IsStableOnItsOwnOutputForRandomBytes) {
  std::mt19937 random(20261122);  // NOLINT: a fixed seed makes a failure repeatable
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string once = Escape(bytes);
    ASSERT_EQ(Printable(once), once);
    ASSERT_EQ(once.find('\x1b'), std::string::npos);
  }
}

}  // namespace
}  // namespace procctl
