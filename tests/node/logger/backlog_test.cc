#include "node/logger/backlog.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace procctl::logger {
namespace {

constexpr size_t kPiece = Backlog::kPiece;

bool Any(LaneId) { return true; }

int64_t Sum(const std::vector<Backlog::Dropped>& all) {
  int64_t sum = 0;
  for (const auto& dropped : all) sum += dropped.bytes;
  return sum;
}

// Takes one piece as a writer that works.
Piece Write(Backlog* backlog, LaneId lane) {
  Piece piece = backlog->Take(lane);
  backlog->Done();
  return piece;
}

TEST(Backlog, JoinsWhatOneStreamSaysAndNothingElse) {
  Backlog backlog(1 << 20);
  const LaneId lane = backlog.Open(1 << 20);
  backlog.Put(lane, 1, "a\n");
  backlog.Put(lane, 1, "b\n");
  backlog.Put(lane, 2, "c\n");
  backlog.Put(lane, 1, "d\n");
  EXPECT_EQ(Write(&backlog, lane).bytes, "a\nb\n");
  EXPECT_EQ(Write(&backlog, lane).bytes, "c\n");
  EXPECT_EQ(Write(&backlog, lane).bytes, "d\n");
  EXPECT_TRUE(backlog.idle());
  EXPECT_EQ(backlog.total(), 0U);
}

TEST(Backlog, ExactlyFullDropsNothingAndOneByteMoreDropsTheOldest) {
  Backlog backlog(1 << 20);
  const LaneId lane = backlog.Open(3 * kPiece);
  for (const char c : {'a', 'b', 'c'}) {
    EXPECT_EQ(Sum(backlog.Put(lane, 1, std::string(kPiece, c))), 0);
  }
  EXPECT_EQ(Sum(backlog.Put(lane, 2, "d")), static_cast<int64_t>(kPiece));
  const Piece first = Write(&backlog, lane);
  EXPECT_EQ(first.bytes.front(), 'b');
  EXPECT_EQ(first.lost_before, static_cast<int64_t>(kPiece));
  EXPECT_EQ(Write(&backlog, lane).lost_before, 0);
}

TEST(Backlog, WhatIsTakenIsHeldButNotDropped) {
  Backlog backlog(1 << 20);
  const LaneId lane = backlog.Open(2 * kPiece);
  backlog.Put(lane, 1, std::string(kPiece, 'a'));
  Piece taken = backlog.Take(lane);
  EXPECT_FALSE(backlog.idle());
  backlog.Put(lane, 1, std::string(kPiece, 'b'));
  EXPECT_EQ(Sum(backlog.Put(lane, 1, std::string(kPiece, 'c'))), static_cast<int64_t>(kPiece));
  // Half of it could be written.
  taken.bytes.resize(kPiece / 2);
  backlog.PutBack(std::move(taken));
  EXPECT_EQ(backlog.size(lane), kPiece + kPiece / 2);
  EXPECT_EQ(Write(&backlog, lane).bytes, std::string(kPiece / 2, 'a'));
  const Piece next = Write(&backlog, lane);
  EXPECT_EQ(next.bytes.front(), 'c');
  EXPECT_EQ(next.lost_before, static_cast<int64_t>(kPiece));
  EXPECT_EQ(backlog.total(), 0U);
}

TEST(Backlog, OverTheTotalTheFullestLaneLoses) {
  Backlog backlog(4 * kPiece);
  const LaneId stuck = backlog.Open(4 * kPiece);
  const LaneId quick = backlog.Open(4 * kPiece);
  for (int i = 0; i < 4; ++i) backlog.Put(stuck, 1, std::string(kPiece, 'x'));
  const auto dropped = backlog.Put(quick, 2, "line\n");
  ASSERT_EQ(dropped.size(), 1U);
  EXPECT_EQ(dropped[0].lane, stuck);
  EXPECT_EQ(Write(&backlog, quick).bytes, "line\n");
  EXPECT_LE(backlog.total(), 4 * kPiece);
}

TEST(Backlog, ALossIsToldEvenIfNothingFollowsIt) {
  Backlog backlog(1 << 20);
  const LaneId lane = backlog.Open(1);
  EXPECT_EQ(Sum(backlog.Put(lane, 1, "too long")), 8);
  backlog.AddLost(lane, 2);
  ASSERT_EQ(backlog.Next(Any), lane);
  Piece piece = backlog.Take(lane);
  EXPECT_EQ(piece.lost_before, 10);
  EXPECT_EQ(piece.bytes, "");
  backlog.PutBack(std::move(piece));
  EXPECT_FALSE(backlog.idle());
  EXPECT_EQ(Write(&backlog, lane).lost_before, 10);
  EXPECT_TRUE(backlog.idle());
}

TEST(Backlog, LanesTakeTurns) {
  Backlog backlog(1 << 20);
  const LaneId a = backlog.Open(1 << 20);
  const LaneId b = backlog.Open(1 << 20);
  for (int i = 0; i < 2; ++i) {
    backlog.Put(a, i, "x");
    backlog.Put(b, i, "x");
  }
  std::string order;
  while (const auto next = backlog.Next(Any)) {
    order += *next == a ? 'a' : 'b';
    (void)Write(&backlog, *next);
  }
  EXPECT_EQ(order, "abab");
  backlog.Put(a, 1, "x");
  EXPECT_FALSE(backlog.Next([&](LaneId lane) { return lane != a; }));
}

TEST(Backlog, AClosedLaneGoesWhenItIsEmpty) {
  Backlog backlog(1 << 20);
  const LaneId lane = backlog.Open(1 << 20);
  backlog.Put(lane, 1, "x");
  backlog.Close(lane);
  EXPECT_TRUE(backlog.Exists(lane));
  Piece piece = backlog.Take(lane);
  EXPECT_TRUE(backlog.Exists(lane));
  backlog.PutBack(std::move(piece));
  EXPECT_TRUE(backlog.Exists(lane));
  (void)Write(&backlog, lane);
  EXPECT_FALSE(backlog.Exists(lane));
  const LaneId empty = backlog.Open(1);
  backlog.Close(empty);
  EXPECT_EQ(backlog.lanes(), 0U);
}

TEST(Backlog, LeavesRoomForOneReadMore) {
  Backlog backlog(8 << 20);
  const LaneId lane = backlog.Open(1 << 20);
  while (backlog.Roomy(lane)) {
    // The most that one read brings: what was held, and what is read.
    EXPECT_EQ(Sum(backlog.Put(lane, 1, std::string(2 * kPiece, 'x'))), 0);
  }
  EXPECT_GT(backlog.size(lane), (1U << 20) - 2 * kPiece);
}

// Against a model: every byte that was put is written, waits or is counted as lost, in order.
TEST(Backlog, CountsEveryByteWhateverHappens) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Backlog backlog(20'000);
  std::map<LaneId, int64_t> put, written, lost_told, dropped;
  for (int i = 0; i < 4; ++i) put[backlog.Open(8'000)] = 0;
  for (int i = 0; i < 5'000; ++i) {
    const auto lane = static_cast<LaneId>(1 + random() % 4);
    if (random() % 3 != 0) {
      const std::string bytes(random() % 3'000, 'x');
      put[lane] += static_cast<int64_t>(bytes.size());
      for (const auto& drop : backlog.Put(lane, static_cast<int64_t>(random() % 2), bytes)) {
        dropped[drop.lane] += drop.bytes;
      }
    } else if (const auto next = backlog.Next(Any)) {
      Piece piece = backlog.Take(*next);
      if (random() % 3 == 0) {
        const size_t part = piece.bytes.empty() ? 0 : random() % piece.bytes.size();
        written[*next] += static_cast<int64_t>(part);
        piece.bytes.erase(0, part);
        backlog.PutBack(std::move(piece));
      } else {
        written[*next] += static_cast<int64_t>(piece.bytes.size());
        lost_told[*next] += piece.lost_before;
        backlog.Done();
      }
    }
    ASSERT_LE(backlog.total(), 20'000U);
    ASSERT_LE(backlog.size(lane), 8'000U);
  }
  while (const auto next = backlog.Next(Any)) {
    const Piece piece = Write(&backlog, *next);
    written[*next] += static_cast<int64_t>(piece.bytes.size());
    lost_told[*next] += piece.lost_before;
  }
  for (const auto& [lane, bytes] : put) {
    EXPECT_EQ(bytes, written[lane] + lost_told[lane]);
    EXPECT_EQ(lost_told[lane], dropped[lane]);
  }
  EXPECT_EQ(backlog.total(), 0U);
}

}  // namespace
}  // namespace procctl::logger
