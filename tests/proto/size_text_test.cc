#include "proto/support/size_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace procctl {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kK = 1024;
constexpr int64_t kM = 1024 * kK;
constexpr int64_t kG = 1024 * kM;
constexpr int64_t kT = 1024 * kG;

TEST(ParseSize, ReadsWhatPeopleWrite) {
  const std::pair<const char*, int64_t> cases[] = {{"0", 0},
                                                   {"1", 1},
                                                   {"4096", 4096},
                                                   {"4K", 4 * kK},
                                                   {"512M", 512 * kM},
                                                   {"1.5G", 3 * kG / 2},
                                                   {"2T", 2 * kT},
                                                   {"0.5K", 512},
                                                   {"1.1G", 1181116006},
                                                   {"8191T", 8191 * kT}};
  for (const auto& [text, expected] : cases) {
    const auto parsed = ParseSize(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, expected) << text;
  }
}

TEST(ParseSize, RefusesWhatWouldBeAGuess) {
  for (const char* text : {"", "K", "5MB", "5MiB", "5m", "5k", "+5M", " 5M", "5M ", "5 M", "1e3M",
                           "5M5K", "inf", "nan", "0x5M", "5P", "1,5G", "1.5.5G", "1.5"}) {
    const auto parsed = ParseSize(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("64K, 512M or 2G")) << text;
  }
}

TEST(ParseSize, SaysWhatIsWrong) {
  EXPECT_THAT(std::string(ParseSize("-5M").status().message()), HasSubstr("it is negative"));
  EXPECT_THAT(std::string(ParseSize("2.5").status().message()), HasSubstr("no whole number"));
  EXPECT_THAT(std::string(ParseSize("8192T").status().message()), HasSubstr("more than 8191T"));
}

TEST(ParseSize, RefusesHugeNumbersWithoutOverflow) {
  EXPECT_FALSE(ParseSize(std::string(400, '9')).ok());
  EXPECT_FALSE(ParseSize(std::string(300, '9') + "T").ok());
  EXPECT_FALSE(ParseSize("9223372036854775808").ok());
}

TEST(FormatSize, IsShort) {
  const std::pair<int64_t, const char*> cases[] = {{0, "0"},
                                                   {1, "1"},
                                                   {1023, "1023"},
                                                   {kK, "1K"},
                                                   {1536, "1.5K"},
                                                   {512 * kM, "512M"},
                                                   {2 * kG, "2G"},
                                                   {3 * kG / 2, "1.5G"},
                                                   {5000 * kT, "5000T"},
                                                   {-4 * kK, "-4K"}};
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(FormatSize(bytes), expected);
}

// Rounding up must change the unit, not print 1024K.
TEST(FormatSize, RoundsIntoTheNextUnit) {
  EXPECT_EQ(FormatSize(kM - 1), "1M");
  EXPECT_EQ(FormatSize(kG - 1), "1G");
  EXPECT_EQ(FormatSize(1023 * kK), "1023K");
  EXPECT_EQ(FormatSize(INT64_MIN), "-8388608T");
}

TEST(FormatSize, IsReadBack) {
  for (int64_t bytes = 1; bytes < 4000 * kT; bytes = bytes * 7 / 3 + 1) {
    const auto again = ParseSize(FormatSize(bytes));
    ASSERT_TRUE(again.ok()) << bytes << ": " << again.status();
    EXPECT_NEAR(static_cast<double>(*again), static_cast<double>(bytes),
                0.06 * static_cast<double>(bytes));
  }
}

}  // namespace
}  // namespace procctl
