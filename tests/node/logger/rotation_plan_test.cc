#include "node/logger/rotation_plan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace procctl::logger {
namespace {

void Expect(const FileFill& file, std::string_view bytes, bool rotate, size_t count) {
  const WritePlan plan = PlanWrite(file, bytes);
  EXPECT_EQ(plan.rotate, rotate) << bytes;
  EXPECT_EQ(plan.bytes, count) << bytes;
}

TEST(PlanWrite, AFileMayBeExactlyFull) {
  Expect({.size = 5, .max_size = 10}, "1234\n", false, 5);
  Expect({.size = 6, .max_size = 10}, "1234\n", true, 0);
}

TEST(PlanWrite, TakesTheLinesThatFit) {
  Expect({.size = 0, .max_size = 10}, "123\n567\n9\n", false, 10);
  Expect({.size = 1, .max_size = 10}, "123\n567\n9\n", false, 8);
}

TEST(PlanWrite, ALineLongerThanAFileIsWrittenWhole) {
  Expect({.size = 0, .max_size = 4}, "123456\nx\n", false, 7);
  Expect({.size = 1, .max_size = 4}, "123456\n", true, 0);
}

TEST(PlanWrite, ALineThatIsBegunEndsInItsFile) {
  Expect({.size = 9, .mid_line = true, .max_size = 10}, "123\nx\n", false, 4);
  Expect({.size = 12, .mid_line = true, .max_size = 10}, "123", false, 3);
}

TEST(PlanWrite, WhatHasNoNewlineDoesNotFillTheDisk) {
  const int64_t most = 10 + kLongestLine;
  Expect({.size = most - 3, .mid_line = true, .max_size = 10}, "123", false, 3);
  Expect({.size = most - 2, .mid_line = true, .max_size = 10}, "123", true, 0);
}

TEST(PlanWrite, WithoutALimitNothingIsRotated) {
  Expect({.size = int64_t{1} << 40}, "123\n", false, 4);
}

TEST(PlanWrite, NoLineIsSplitAndNoFileTooLarge) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<std::string> files(1);
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    std::string bytes;
    for (unsigned line = random() % 4; line > 0; --line) {
      bytes += std::string(random() % 12, 'x') + "\n";
    }
    all += bytes;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::string& file = files.back();
      const WritePlan plan =
          PlanWrite({.size = static_cast<int64_t>(file.size()), .max_size = 50}, rest);
      if (plan.rotate) {
        ASSERT_FALSE(file.empty());
        files.emplace_back();
        continue;
      }
      ASSERT_GT(plan.bytes, 0U);
      files.back() += rest.substr(0, plan.bytes);
      rest.remove_prefix(plan.bytes);
    }
  }
  std::string together;
  for (const std::string& file : files) {
    EXPECT_LE(file.size(), 50U);
    EXPECT_TRUE(file.empty() || file.back() == '\n');
    together += file;
  }
  EXPECT_EQ(together, all);
}

using Steps = std::vector<Rename>;

TEST(PlanRotation, MovesEachFileUpByOne) {
  EXPECT_EQ(PlanRotation({false, false}), (Steps{{0, 1}}));
  EXPECT_EQ(PlanRotation({true, false}), (Steps{{1, 2}, {0, 1}}));
  EXPECT_EQ(PlanRotation({true, true}), (Steps{{1, 2}, {0, 1}}));
}

TEST(PlanRotation, AGapIsFilledBeforeTheOldestGoes) {
  EXPECT_EQ(PlanRotation({false, true, true}), (Steps{{0, 1}}));
  EXPECT_EQ(PlanRotation({true, false, true}), (Steps{{1, 2}, {0, 1}}));
}

TEST(PlanRotation, WithoutOlderFilesTheFileIsRemoved) { EXPECT_EQ(PlanRotation({}), Steps{}); }

TEST(FileName, TheOldestHasTheHighestNumber) {
  EXPECT_EQ(FileName("/var/log/x", 0), "/var/log/x");
  EXPECT_EQ(FileName("/var/log/x", 3), "/var/log/x.3");
}

}  // namespace
}  // namespace procctl::logger
