#include "proto/support/glob.h"

#include <gtest/gtest.h>

namespace procctl {
namespace {

TEST(Glob, WithoutWildCardOnlyTheSameTextMatches) {
  const Glob glob("web-01");
  EXPECT_TRUE(glob.IsExact());
  EXPECT_TRUE(glob.Matches("web-01"));
  EXPECT_FALSE(glob.Matches("web-01x"));
  EXPECT_FALSE(glob.Matches(""));
}

TEST(Glob, StarIsAnyTextAlsoNone) {
  EXPECT_TRUE(Glob("web-*").Matches("web-"));
  EXPECT_TRUE(Glob("*b*1").Matches("web-01"));
  EXPECT_TRUE(Glob("*").Matches(""));
  EXPECT_FALSE(Glob("web-*").Matches("db-01"));
  EXPECT_TRUE(Glob("a*b*c").Matches("aXbXbYc"));
}

TEST(Glob, QuestionMarkIsOneCharacterNotOneByte) {
  EXPECT_TRUE(
      Glob("n?de").Matches("n\xc3\xb6"
                           "de"));
  EXPECT_FALSE(Glob("n?de").Matches("nde"));
  EXPECT_TRUE(Glob("w?").Matches("w1"));
  EXPECT_FALSE(Glob("w?").Matches("w"));
}

TEST(Glob, EscapesStandForPlainSeparatorsAndWildCards) {
  EXPECT_TRUE(Glob("my\\x20worker").Matches("my worker"));
  EXPECT_TRUE(Glob("a\\x2cb").Matches("a,b"));
  EXPECT_TRUE(Glob("a\\x2ab").Matches("a*b"));
  EXPECT_FALSE(Glob("a\\x2ab").Matches("aXb"));
  EXPECT_TRUE(Glob("a\\x3f").IsExact());
}

TEST(Glob, OtherBackslashesAreThemselves) {
  EXPECT_TRUE(Glob("w\\x1b[0m").Matches("w\\x1b[0m"));
  EXPECT_TRUE(Glob("w\\x1b*").Matches("w\\x1b[0m"));
}

TEST(Glob, ManyStarsAgainstALongTextEndSoon) {
  EXPECT_FALSE(Glob("*a*a*a*a*a*a*a*a*a*a*b").Matches(std::string(2000, 'a')));
}

TEST(Glob, SqliteDialectQuotesWhatIsPlainHere) {
  EXPECT_EQ(Glob("w*[1]\\x2a?").ToSqliteGlob(), "w*[[]1][*]?");
}

}  // namespace
}  // namespace procctl
