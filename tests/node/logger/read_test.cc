// The real program: what readers of output get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "tests/e2e/harness/child.h"
#include "tests/node/logger/node_side.h"

namespace procctl::logger {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::ReadOutput ReadOf(const std::string& program, const std::string& cursor = "") {
  v1::ReadOutput read;
  read.set_program(program);
  read.set_cursor(cursor);
  return read;
}

v1::ReadOutput TailOf(const std::string& program, int lines) {
  v1::ReadOutput read = ReadOf(program);
  read.set_tail_lines(lines);
  return read;
}

v1::ReadOutput FollowOf(const std::string& program, const std::string& cursor = "") {
  v1::ReadOutput read = ReadOf(program, cursor);
  // Without a cursor: where the end is depends on when it is looked for.
  read.set_tail_lines(2);
  read.mutable_wait()->set_seconds(3);
  return read;
}

TEST(LoggerRead, BeginsSoManyLinesBeforeTheEnd) {
  NodeSide node;
  node.logger().Attach(node.MakeAttach("web", "out", "err"));
  Say(node.out("web"), "one\ntwo\nthree\n");
  Say(node.err("web"), "bad\n");
  ASSERT_TRUE(node.Has(node.folder() / "out", "three\n"));
  ASSERT_TRUE(node.Has(node.folder() / "err", "bad\n"));
  EXPECT_EQ(node.Read(TailOf("web", 2)).data(), "two\nthree\n");
  EXPECT_EQ(node.Read(TailOf("web", 0)).data(), "");
  EXPECT_EQ(node.Read(TailOf("web", 100)).data(), "one\ntwo\nthree\n");
  v1::ReadOutput read = TailOf("web", 9);
  read.set_stderr(true);
  EXPECT_EQ(node.Read(read).data(), "bad\n");
  read = TailOf("web", 9);
  read.set_max_bytes(9);
  const v1::OutputChunk chunk = node.Read(read);
  EXPECT_EQ(chunk.data(), "one\ntwo\n") << "whole lines, as long as one fits";
  read = ReadOf("web", chunk.cursor());
  read.set_max_bytes(4);
  const v1::OutputChunk part = node.Read(read);
  EXPECT_EQ(part.data(), "thre");
  EXPECT_EQ(node.Read(ReadOf("web", part.cursor())).data(), "e\n");
}

TEST(LoggerRead, CrossesIntoOlderFiles) {
  NodeSide node;
  v1::LoggerAttach attach = node.MakeJointAttach("web", "out");
  attach.set_max_size(2 * int64_t{kNumberedLine});
  node.logger().Attach(attach);
  for (int i = 0; i < 5; ++i) Say(node.out("web"), NumberedLine(i));
  ASSERT_TRUE(node.Has(node.folder() / "out", NumberedLine(4)));
  EXPECT_EQ(node.Read(TailOf("web", 4)).data(),
            NumberedLine(1) + NumberedLine(2) + NumberedLine(3) + NumberedLine(4));
  // Room for two lines and a part of the third, which is in another file.
  v1::ReadOutput read = TailOf("web", 4);
  read.set_max_bytes(2 * kNumberedLine + 3);
  std::string all;
  for (int i = 0; i < 2; ++i) {
    const v1::OutputChunk chunk = node.Read(read);
    EXPECT_EQ(chunk.data().size(), 2 * kNumberedLine);
    all += chunk.data();
    read.set_cursor(chunk.cursor());
  }
  EXPECT_EQ(all, NumberedLine(1) + NumberedLine(2) + NumberedLine(3) + NumberedLine(4));
}

TEST(LoggerRead, OfNobodyIsAnError) {
  NodeSide node;
  EXPECT_THAT(node.Read(TailOf("nobody", 1)).error(), HasSubstr("no output"));
}

TEST(LoggerRead, WaitsForWhatIsWritten) {
  NodeSide node;
  node.logger().Attach(node.MakeJointAttach("web", "out"));
  // Also before there is a file.
  ASSERT_TRUE(node.Until([&] { return node.logger().Read(1, FollowOf("web")); }));
  ASSERT_EQ(node.Tail("web"), "");
  EXPECT_TRUE(node.reads.empty());
  const auto said = Clock::now();
  Say(node.out("web"), "hello\n");
  ASSERT_TRUE(node.Until([&] { return node.reads.count(1) == 1; }));
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - said);
  EXPECT_EQ(node.reads[1].data(), "hello\n");
  RecordProperty("milliseconds", static_cast<int>(took.count()));
  std::printf("from write to answer: %d ms\n", static_cast<int>(took.count()));

  ASSERT_TRUE(node.logger().Read(2, FollowOf("web", node.reads[1].cursor())));
  ASSERT_EQ(node.Tail("web"), "hello\n");
  Say(node.out("web"), "again\n");
  ASSERT_TRUE(node.Until([&] { return node.reads.count(2) == 1; }));
  EXPECT_EQ(node.reads[2].data(), "again\n");
}

TEST(LoggerRead, AWaitEndsWithNothing) {
  NodeSide node;
  node.logger().Attach(node.MakeJointAttach("web", "out"));
  Say(node.out("web"), "hello\n");
  ASSERT_TRUE(node.Has(node.folder() / "out", "hello\n"));
  const v1::OutputChunk end = node.Read(TailOf("web", 0));
  v1::ReadOutput read = ReadOf("web", end.cursor());
  read.mutable_wait()->set_nanos(100'000'000);
  const auto asked = Clock::now();
  const v1::OutputChunk chunk = node.Read(read);
  EXPECT_GE(Clock::now() - asked, milliseconds(100));
  EXPECT_EQ(chunk.data(), "");
  EXPECT_EQ(chunk.cursor(), end.cursor());
  EXPECT_EQ(chunk.error(), "");
  EXPECT_FALSE(chunk.lost());
}

TEST(LoggerRead, FollowsAcrossRotationsAndAKilledLogger) {
  constexpr int kLines = 20'000;
  NodeSide node;
  v1::LoggerAttach attach = node.MakeJointAttach("web", "out");
  attach.set_max_size(10'000);
  attach.set_keep(100);
  node.logger().Attach(attach);
  const std::string begin = node.Read(ReadOf("web")).cursor();
  e2e::Child program = WriteLines(node.out("web"), 0, kLines, 100);
  std::string cursor = begin;
  std::string all;
  while (all.find(NumberedLine(kLines - 1)) == std::string::npos) {
    const v1::OutputChunk chunk = node.Read(FollowOf("web", cursor));
    ASSERT_EQ(chunk.error(), "");
    ASSERT_FALSE(chunk.lost());
    all += chunk.data();
    cursor = chunk.cursor();
    ASSERT_TRUE(!chunk.data().empty() || program.Running()) << all.size();
  }
  const Lines lines = ParseLines(all);
  EXPECT_THAT(lines.others, IsEmpty());
  EXPECT_EQ(lines.count.size(), static_cast<size_t>(kLines));
  EXPECT_EQ(all.size(), kLines * kNumberedLine);

  // The cursor is as good for the next logger.
  const int32_t pid = node.logger().pid();
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(node.Until([&] { return node.logger().running() && node.logger().pid() != pid; }));
  Say(node.out("web"), "after\n");
  v1::OutputChunk chunk;
  EXPECT_TRUE(node.Until([&] {
    chunk = node.Read(FollowOf("web", cursor));
    return !chunk.data().empty();
  }));
  EXPECT_EQ(chunk.data(), "after\n");
  EXPECT_FALSE(chunk.lost());
}

TEST(LoggerRead, WhatWasRotatedAwayIsSaidToBeLost) {
  NodeSide node;
  v1::LoggerAttach attach = node.MakeJointAttach("web", "out");
  attach.set_max_size(int64_t{kNumberedLine});
  attach.set_keep(1);
  node.logger().Attach(attach);
  Say(node.out("web"), NumberedLine(0));
  ASSERT_TRUE(node.Has(node.folder() / "out", NumberedLine(0)));
  const std::string cursor = node.Read(TailOf("web", 0)).cursor();
  for (int i = 1; i < 6; ++i) Say(node.out("web"), NumberedLine(i));
  ASSERT_TRUE(node.Has(node.folder() / "out", NumberedLine(5)));
  v1::OutputChunk chunk = node.Read(ReadOf("web", cursor));
  EXPECT_TRUE(chunk.lost());
  EXPECT_EQ(chunk.data(), NumberedLine(4) + NumberedLine(5));
  chunk = node.Read(ReadOf("web", chunk.cursor()));
  EXPECT_FALSE(chunk.lost());
  EXPECT_EQ(chunk.data(), "");
  EXPECT_TRUE(node.Read(ReadOf("web", "nonsense")).lost());
}

TEST(LoggerRead, OutputThatIsDroppedCanBeSeenWhileItIsFresh) {
  NodeSide node;
  node.logger().Attach(node.MakeAttach("web", "", ""));
  ASSERT_TRUE(node.Until([&] { return node.logger().Read(1, FollowOf("web")); }));
  ASSERT_EQ(node.Tail("web"), "");
  Say(node.out("web"), "one\ntwo\n");
  ASSERT_TRUE(node.Until([&] { return node.reads.count(1) == 1; }));
  EXPECT_EQ(node.reads[1].data(), "one\ntwo\n");
  EXPECT_EQ(node.Read(TailOf("web", 1)).data(), "two\n");
  std::string much;
  for (int i = 0; i < 5'000; ++i) much += NumberedLine(i);
  Say(node.out("web"), much);
  std::string cursor = node.reads[1].cursor();
  ASSERT_TRUE(
      node.Until([&] { return node.Read(TailOf("web", 1)).data() == NumberedLine(4'999); }));
  v1::OutputChunk chunk = node.Read(ReadOf("web", cursor));
  EXPECT_TRUE(chunk.lost());
  std::string all = chunk.data();
  while (!chunk.data().empty()) {
    chunk = node.Read(ReadOf("web", chunk.cursor()));
    EXPECT_FALSE(chunk.lost());
    all += chunk.data();
  }
  EXPECT_EQ(all, much.substr(much.size() - 64 * 1024));
  EXPECT_FALSE(std::filesystem::exists(node.folder() / "out"));
}

TEST(LoggerRead, ReadersThatNeverComeBackCostNothing) {
  NodeSide node;
  node.logger().Attach(node.MakeJointAttach("web", "out"));
  Say(node.out("web"), "one\n");
  ASSERT_TRUE(node.Has(node.folder() / "out", "one\n"));
  const auto descriptors = [&] {
    const std::string folder = "/proc/" + std::to_string(node.logger().pid()) + "/fd";
    return std::distance(std::filesystem::directory_iterator(folder), {});
  };
  const auto before = descriptors();
  for (int i = 0; i < 300; ++i) EXPECT_EQ(node.Read(TailOf("web", 1)).data(), "one\n");
  EXPECT_EQ(descriptors(), before);
}

TEST(LoggerRead, MoreThanWaitAtOnceAreTurnedAway) {
  NodeSide node;
  node.logger().Attach(node.MakeJointAttach("web", "out"));
  Say(node.out("web"), "one\n");
  ASSERT_TRUE(node.Has(node.folder() / "out", "one\n"));
  const std::string cursor = node.Read(TailOf("web", 0)).cursor();
  for (int i = 1; i <= 65; ++i) {
    ASSERT_TRUE(node.Until([&] { return node.logger().Read(i, FollowOf("web", cursor)); }));
  }
  ASSERT_TRUE(node.Until([&] { return node.reads.size() == 65; }));
  int busy = 0;
  for (const auto& [request, chunk] : node.reads) busy += chunk.error() == "busy" ? 1 : 0;
  // On a machine so slow that the first waits are over, fewer.
  EXPECT_LE(busy, 1);
  // All are answered, and there is room again.
  EXPECT_EQ(node.Read(TailOf("web", 1)).data(), "one\n");
}

}  // namespace
}  // namespace procctl::logger
