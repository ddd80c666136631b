#include "tests/fleetsim/event_book.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

namespace procctl::fleetsim {
namespace {

SimEvent Plain() {
  SimEvent event;
  event.kind = v1::EVENT_KIND_NEAR_MISS;
  return event;
}

SimEvent Answer() {
  SimEvent event;
  event.kind = v1::EVENT_KIND_VERDICT;
  event.order = std::make_unique<OrderFacts>();
  event.order->order_id = "r/0";
  return event;
}

std::vector<std::pair<std::int64_t, std::int64_t>> Take(EventBook* book, std::size_t most = 100) {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  for (const EventBook::Record* record : book->TakeUnsent(most)) {
    ranges.emplace_back(record->first, record->last);
  }
  return ranges;
}

using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

TEST(EventBook, HandsOverEachEventOnceInASession) {
  EventBook book(7, 100);
  for (int i = 0; i < 3; ++i) book.Add(Plain());
  EXPECT_EQ(Take(&book, 2), (Ranges{{1, 1}, {2, 2}}));
  EXPECT_TRUE(book.HasUnsent());
  EXPECT_EQ(Take(&book), (Ranges{{3, 3}}));
  EXPECT_FALSE(book.HasUnsent());
  EXPECT_TRUE(Take(&book).empty());
}

TEST(EventBook, ANewSessionBeginsAfterTheCursor) {
  EventBook book(7, 100);
  for (int i = 0; i < 5; ++i) book.Add(Plain());
  (void)Take(&book);
  ASSERT_TRUE(book.Begin(3));
  EXPECT_EQ(Take(&book), (Ranges{{4, 4}, {5, 5}}));
}

TEST(EventBook, WhatIsAcknowledgedLeaves) {
  EventBook book(7, 100);
  for (int i = 0; i < 5; ++i) book.Add(Plain());
  bool invented = true;
  EXPECT_EQ(book.Acknowledge(2, &invented).size(), 2U);
  EXPECT_FALSE(invented);
  EXPECT_EQ(book.waiting(), 3U);
  EXPECT_TRUE(book.Acknowledge(2, &invented).empty());
  ASSERT_TRUE(book.Held().has_value());
  EXPECT_EQ(book.Held()->first(), 3);
  EXPECT_EQ(book.Held()->last(), 5);
}

TEST(EventBook, NumbersThatWereNeverMadeAreRefused) {
  EventBook book(7, 100);
  book.Add(Plain());
  bool invented = false;
  EXPECT_TRUE(book.Acknowledge(2, &invented).empty());
  EXPECT_TRUE(invented);
  EXPECT_EQ(book.waiting(), 1U);
  EXPECT_FALSE(book.Begin(2));
  EXPECT_TRUE(book.Begin(1));
}

TEST(EventBook, TheOldestAreFoldedIntoARecordOfTheLoss) {
  EventBook book(7, 8);
  for (int i = 0; i < 9; ++i) book.Add(Plain());
  EXPECT_EQ(Take(&book), (Ranges{{1, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8}, {9, 9}}));
  EXPECT_EQ(book.lost(), 2);
  book.Add(Plain());
  EXPECT_EQ(book.lost(), 3);
}

TEST(EventBook, AnswersToOrdersAreNotFoldedWhileOthersAreThere) {
  EventBook book(7, 8);
  book.Add(Answer());
  book.Add(Answer());
  for (int i = 0; i < 7; ++i) book.Add(Plain());
  const auto records = book.TakeUnsent(100);
  ASSERT_GE(records.size(), 3U);
  EXPECT_EQ(records[0]->event.kind, v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(records[1]->event.kind, v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(records[2]->event.kind, v1::EVENT_KIND_EVENTS_LOST);
  EXPECT_EQ(records[2]->first, 3);
}

TEST(EventBook, TheBoundHoldsEvenForAnswers) {
  EventBook book(7, 8);
  for (int i = 0; i < 100; ++i) book.Add(Answer());
  EXPECT_LE(book.waiting(), 8U);
}

// Whatever happens, the numbers that are kept follow one another without a gap, up to the last.
TEST(EventBook, RandomLivesLeaveNoGap) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::minstd_rand random(seed);
  EventBook book(7, 16);
  std::int64_t acked = 0;
  for (int i = 0; i < 20'000; ++i) {
    switch (random() % 5) {
      case 0:
      case 1:
        book.Add(random() % 4 == 0 ? Answer() : Plain());
        break;
      case 2:
        (void)Take(&book, random() % 10);
        break;
      case 3: {
        bool invented = false;
        acked = std::max(acked, book.last_seq() - static_cast<std::int64_t>(random() % 12));
        (void)book.Acknowledge(acked, &invented);
        ASSERT_FALSE(invented);
        break;
      }
      case 4:
        ASSERT_TRUE(book.Begin(acked));
        break;
    }
    ASSERT_LE(book.waiting(), 16U);
  }
  ASSERT_TRUE(book.Begin(acked));
  std::int64_t next = acked + 1;
  for (const auto& [first, last] : Take(&book)) {
    ASSERT_LE(first, next);
    ASSERT_GE(last, next);
    next = last + 1;
  }
  EXPECT_EQ(next, book.last_seq() + 1);
}

}  // namespace
}  // namespace procctl::fleetsim
