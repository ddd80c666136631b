// The small deciders.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "node/logger/attach_check.h"
#include "node/logger/byte_ring.h"
#include "node/logger/lost_tally.h"

namespace procctl::logger {
namespace {

using node::MonoTime;
using node::Nanos;

TEST(ByteRing, KeepsTheLastBytesAndKnowsWhichTheyAre) {
  ByteRing ring(4);
  EXPECT_EQ(ring.All(), "");
  ring.Add("abc");
  EXPECT_EQ(ring.All(), "abc");
  EXPECT_EQ(ring.begin(), 0);
  ring.Add("def");
  EXPECT_EQ(ring.All(), "cdef");
  EXPECT_EQ(ring.begin(), 2);
  EXPECT_EQ(ring.end(), 6);
  EXPECT_EQ(ring.Read(4, 10), "ef");
  EXPECT_EQ(ring.Read(3, 1), "d");
  EXPECT_EQ(ring.Read(6, 10), "");
}

TEST(ByteRing, DoesNotDependOnHowTheBytesCome) {
  std::string all;
  ByteRing ring(7);
  for (int i = 0; i < 200; ++i) {
    const std::string bytes(static_cast<size_t>(i % 20), static_cast<char>('a' + i % 26));
    all += bytes;
    ring.Add(bytes);
    ASSERT_EQ(ring.All(), all.size() < 7 ? all : all.substr(all.size() - 7)) << i;
    ASSERT_EQ(ring.end(), static_cast<int64_t>(all.size()));
  }
}

TEST(LostTally, TellsEachProgramsLossAtMostOnceInASecond) {
  LostTally tally;
  MonoTime now;
  EXPECT_FALSE(tally.due_at());
  tally.Add("a", 3, "x");
  tally.Add("a", 4, "y");
  tally.Add("b", 5, "z");
  auto reports = tally.TakeDue(now);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].label, "a");
  EXPECT_EQ(reports[0].bytes, 7);
  EXPECT_EQ(reports[0].why, "y");
  EXPECT_EQ(reports[1].bytes, 5);
  EXPECT_FALSE(tally.due_at());

  tally.Add("a", 1, "x");
  EXPECT_EQ(tally.due_at(), now + LostTally::kEvery);
  EXPECT_TRUE(tally.TakeDue(now + LostTally::kEvery - Nanos(1)).empty());
  reports = tally.TakeDue(now + LostTally::kEvery);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].bytes, 1);
}

v1::LoggerAttach Good() {
  v1::LoggerAttach attach;
  attach.set_label("web@1");
  attach.set_stdout_fifo("/run/procctl/output/web@1.out");
  attach.set_stderr_fifo("/run/procctl/output/web@1.err");
  attach.set_stdout_path("/var/log/web.log");
  attach.set_max_size(1000);
  attach.set_keep(5);
  return attach;
}

template <typename Change>
bool Refused(Change change) {
  v1::LoggerAttach attach = Good();
  change(&attach);
  return absl::IsInvalidArgument(CheckAttach(attach));
}

TEST(CheckAttach, TakesWhatMakesSense) {
  EXPECT_TRUE(CheckAttach(Good()).ok());
  v1::LoggerAttach attach = Good();
  attach.set_stderr_path(attach.stdout_path());
  EXPECT_TRUE(CheckAttach(attach).ok());
  attach.clear_stderr_fifo();
  attach.clear_stdout_path();
  attach.set_max_size(0);
  attach.set_keep(0);
  EXPECT_TRUE(CheckAttach(attach).ok());
  attach.set_keep(kMostKept);
  EXPECT_TRUE(CheckAttach(attach).ok());
}

TEST(CheckAttach, RefusesWhatDoesNot) {
  EXPECT_TRUE(Refused([](auto* a) { a->clear_label(); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_label(std::string(257, 'x')); }));
  EXPECT_TRUE(Refused([](auto* a) { a->clear_stdout_fifo(); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_stdout_fifo("relative"); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_stderr_fifo(a->stdout_fifo()); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_stdout_path(std::string("/a\0b", 4)); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_stderr_path("/folder/"); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_stderr_path("/" + std::string(4096, 'x')); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_max_size(-1); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_keep(-1); }));
  EXPECT_TRUE(Refused([](auto* a) { a->set_keep(kMostKept + 1); }));
}

}  // namespace
}  // namespace procctl::logger
