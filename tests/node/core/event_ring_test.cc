#include "node/core/event_ring.h"

#include <gtest/gtest.h>

#include "node/core/event_limiter.h"
#include "node/core/order_ledger.h"

namespace procctl::node {
namespace {

v1::Event Any() {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_HUNG);
  event.set_message("x");
  return event;
}

TEST(EventRing, NumbersFromOneWithoutGaps) {
  EventRing ring(42, 10);
  EXPECT_EQ(ring.Add(Any()).id().seq(), 1);
  const v1::Event& second = ring.Add(Any());
  EXPECT_EQ(second.id().seq(), 2);
  EXPECT_EQ(second.id().epoch(), 42);
}

TEST(EventRing, ForgetsWhatIsSpooledOfItsOwnEpochOnly) {
  EventRing ring(42, 10);
  for (int i = 0; i < 5; ++i) ring.Add(Any());
  ring.Spooled(41, 5);
  EXPECT_EQ(ring.events().size(), 5u);
  ring.Spooled(42, 3);
  ASSERT_EQ(ring.events().size(), 2u);
  EXPECT_EQ(ring.events().front().id().seq(), 4);
  ring.Spooled(42, 6);
  ring.Spooled(42, INT64_MAX);
  EXPECT_EQ(ring.events().size(), 2u) << "a number that was never given out was believed";
  ring.Spooled(42, 5);
  EXPECT_TRUE(ring.events().empty());
  EXPECT_EQ(ring.Add(Any()).id().seq(), 6);
}

TEST(EventRing, WhenFullTheOldestBecomeOneRecordThatNamesThem) {
  EventRing ring(42, 4);
  for (int i = 0; i < 10; ++i) ring.Add(Any());
  ASSERT_EQ(ring.events().size(), 4u);
  const v1::Event& lost = ring.events().front();
  EXPECT_EQ(lost.kind(), v1::EVENT_KIND_EVENTS_LOST);
  EXPECT_EQ(lost.lost().first_seq(), 1);
  EXPECT_EQ(lost.lost().last_seq(), 7);
  EXPECT_EQ(lost.id().seq(), 7);
  int64_t expected = 7;
  for (const v1::Event& event : ring.events()) EXPECT_EQ(event.id().seq(), expected++);
  EXPECT_EQ(ring.last_seq(), 10);
}

TEST(EventLimiter, CountsWhatItHoldsBackAndSaysSoLater) {
  using std::chrono::seconds;
  EventLimiter limiter(2, seconds(10));
  int64_t suppressed = -1;
  MonoTime now(seconds(100));
  EXPECT_TRUE(limiter.Allow(now, &suppressed));
  EXPECT_EQ(suppressed, 0);
  EXPECT_TRUE(limiter.Allow(now, &suppressed));
  EXPECT_FALSE(limiter.Allow(now, &suppressed));
  EXPECT_FALSE(limiter.Allow(now + seconds(10) - Nanos(1), &suppressed));
  EXPECT_TRUE(limiter.Allow(now + seconds(10), &suppressed));
  EXPECT_EQ(suppressed, 2);
}

TEST(OrderLedger, TakesEachOrderOnce) {
  OrderLedger ledger;
  EXPECT_TRUE(ledger.Take("r1/0"));
  EXPECT_TRUE(ledger.Take("r1/1"));
  EXPECT_FALSE(ledger.Take("r1/0"));
}

TEST(OrderLedger, ForgetsOnlyWhatIsFarTooOldToBeRepeated) {
  OrderLedger ledger;
  ledger.Take("first");
  for (size_t i = 0; i < OrderLedger::kCapacity - 1; ++i) ledger.Take(std::to_string(i));
  EXPECT_FALSE(ledger.Take("first"));
  ledger.Take("one more");
  EXPECT_TRUE(ledger.Take("first"));
}

}  // namespace
}  // namespace procctl::node
