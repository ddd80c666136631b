#include "controller/core/memory_fuse.h"

#include <gtest/gtest.h>

#include <limits>

#include "controller/core/shed_log.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Fuse, BlowsAboveItsLimitOnceAndMendsBelowNineTenths) {
  Fuse fuse(1000);
  EXPECT_EQ(fuse.Judge(1000), Fuse::Change::kNone);
  EXPECT_FALSE(fuse.blown());
  EXPECT_EQ(fuse.Judge(1001), Fuse::Change::kBlown);
  EXPECT_TRUE(fuse.blown());
  EXPECT_EQ(fuse.Judge(5000), Fuse::Change::kNone) << "told once";
  EXPECT_EQ(fuse.Judge(1000), Fuse::Change::kNone) << "what swings around the limit is one alarm";
  EXPECT_EQ(fuse.Judge(900), Fuse::Change::kNone);
  EXPECT_EQ(fuse.Judge(899), Fuse::Change::kMended);
  EXPECT_FALSE(fuse.blown());
  EXPECT_EQ(fuse.Judge(1001), Fuse::Change::kBlown) << "and it can blow again";
}

TEST(Fuse, TheDefaultIsThreeQuartersOfWhateverIsLess) {
  EXPECT_EQ(DefaultMemoryLimit(4000, 8000), 3000);
  EXPECT_EQ(DefaultMemoryLimit(8000, 4000), 3000);
  EXPECT_EQ(DefaultMemoryLimit(4000, std::nullopt), 3000);
  EXPECT_EQ(DefaultMemoryLimit(std::nullopt, 4000), 3000);
  Fuse unknown(DefaultMemoryLimit(std::nullopt, std::nullopt));
  EXPECT_EQ(unknown.Judge(std::numeric_limits<std::int64_t>::max()), Fuse::Change::kNone);
}

TEST(Fuse, DescriptorsAreToldOfAtSeventyPercent) {
  EXPECT_EQ(DescriptorAlarm(65536), 45875);
  EXPECT_EQ(DescriptorAlarm(100), 70);
}

TEST(ShedLog, TellsTheFirstAtOnceAndThenOnceASecondPerReason) {
  MonoTime now(seconds(5));
  ShedLog log;
  EXPECT_TRUE(log.Take(now).empty());
  log.Note(ShedReason::kAddress, 1, "10.0.0.1:5");
  EXPECT_TRUE(log.pending());
  auto lines = log.Take(now);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].reason, ShedReason::kAddress);
  EXPECT_EQ(lines[0].count, 1);
  EXPECT_EQ(lines[0].last_address, "10.0.0.1:5");
  EXPECT_FALSE(log.pending());

  log.Note(ShedReason::kAddress, 2, "10.0.0.1:6");
  log.Note(ShedReason::kAddress, 3, "10.0.0.2:7");
  log.Note(ShedReason::kHandshake, 4, "");
  now += seconds(1) - nanoseconds(1);
  lines = log.Take(now);
  ASSERT_EQ(lines.size(), 1U) << "one reason does not wait for another";
  EXPECT_EQ(lines[0].reason, ShedReason::kHandshake);
  EXPECT_EQ(lines[0].count, 4);
  EXPECT_TRUE(log.pending());
  now += nanoseconds(1);
  lines = log.Take(now);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].count, 5) << "what was held back is counted";
  EXPECT_EQ(lines[0].last_address, "10.0.0.2:7");
}

}  // namespace
}  // namespace procctl::controller
