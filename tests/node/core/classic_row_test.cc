#include "node/core/classic_row.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace procctl::node {
namespace {

constexpr int32_t kGuardian = 999;

ClassicRow Row(int32_t pid, int32_t timeout = 10, const char* name = "server") {
  ClassicRow row{};
  row.pid = pid;
  std::strncpy(row.name, name, sizeof row.name - 1);
  row.timeout = timeout;
  row.atime = 1700000000;
  return row;
}

ClassicReading Read(const ClassicRow& row) {
  return ReadClassicRow(row, kGuardian, std::chrono::hours(24));
}

static_assert(offsetof(ClassicRow, name) == 4 && offsetof(ClassicRow, timeout) == 56,
              "the programs' layout");

TEST(ClassicRow, APlainRowIsACandidate) {
  const ClassicReading reading = Read(Row(4242));
  EXPECT_EQ(reading.kind, ClassicRowKind::kCandidate);
  EXPECT_EQ(reading.name, "server");
  EXPECT_EQ(reading.timeout, std::chrono::seconds(10));
}

TEST(ClassicRow, AZeroedRowIsFree) { EXPECT_EQ(Read(ClassicRow{}).kind, ClassicRowKind::kFree); }

TEST(ClassicRow, PidsThatAreNoTargetsAreBadAndSaidToBe) {
  for (const int32_t pid : {0, 1, -1, INT32_MIN, kGuardian}) {
    EXPECT_EQ(Read(Row(pid)).kind, ClassicRowKind::kBad) << pid;
    EXPECT_FALSE(Read(Row(pid)).problem.empty());
  }
}

TEST(ClassicRow, TimeoutsThatMakeNoSenseAreBad) {
  for (const int32_t timeout : {0, -1, INT32_MIN, INT32_MAX, 24 * 3600 + 1}) {
    EXPECT_EQ(Read(Row(4242, timeout)).kind, ClassicRowKind::kBad) << timeout;
  }
  EXPECT_EQ(Read(Row(4242, 24 * 3600)).kind, ClassicRowKind::kCandidate);
}

TEST(ClassicRow, ANameWithoutEndOrWithControlBytesIsTakenEscaped) {
  ClassicRow row = Row(4242);
  std::memset(row.name, 'x', sizeof row.name);
  EXPECT_EQ(Read(row).name, std::string(51, 'x'));
  EXPECT_EQ(Read(Row(4242, 10, "a\x1b]0;b\x07")).name, "a\\x1b]0;b\\x07");
  EXPECT_EQ(Read(Row(4242, 10, "")).name, "unnamed");
}

}  // namespace
}  // namespace procctl::node
