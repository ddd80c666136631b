#include "node/run/proc_stat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace procctl::run {
namespace {

TEST(ProcStat, TheNameCannotForgeFields) {
  const auto stat = ParseProcStat("4242 (x) T 1 () S 77 4242 4242 0");
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 77);
}

TEST(ProcStat, RefusesWhatIsCutOrNonsense) {
  for (const char* text : {"", "4242", "4242 (x", "4242 (x)", "4242 (x) S", "4242 (x) S ",
                           "4242 (x) S x", "4242 (x)  SS 1"}) {
    EXPECT_FALSE(ParseProcStat(text).has_value()) << "'" << text << "'";
  }
}

TEST(ProcStat, ReadsThisProcess) {
  const auto stat = ReadProcStat(getpid());
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->state, 'R');
  EXPECT_EQ(stat->parent, getppid());
  EXPECT_THAT(AllPids(), testing::Contains(getpid()));
}

}  // namespace
}  // namespace procctl::run
