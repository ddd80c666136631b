#include "node/uplink/event_window.h"

#include <gtest/gtest.h>

#include <random>

#include "node/uplink/event_sender.h"
#include "tests/node/uplink/fixtures.h"

namespace procctl::uplink {
namespace {

std::vector<std::int64_t> Seqs(const EventWindow& window) {
  std::vector<std::int64_t> seqs;
  for (std::uint64_t i = window.begin_index(); i < window.end_index(); ++i) {
    seqs.push_back(window.at(i).id().seq());
  }
  return seqs;
}

void AddUpTo(EventWindow* window, std::int64_t epoch, std::int64_t first, std::int64_t last) {
  for (std::int64_t seq = first; seq <= last; ++seq) window->Add(MakeEvent(epoch, seq));
}

using Numbers = std::vector<std::int64_t>;

TEST(EventWindow, KeepsWhatFitsAndLeavesTheRestToTheSpool) {
  EventWindow window(4);
  AddUpTo(&window, 1, 1, 4);
  EXPECT_FALSE(window.beyond());
  AddUpTo(&window, 1, 5, 6);
  EXPECT_TRUE(window.beyond());
  EXPECT_EQ(Seqs(window), (Numbers{1, 2, 3, 4}));
}

TEST(EventWindow, AsksForAPageOnlyWhenHalfOfItIsFree) {
  EventWindow window(4);
  AddUpTo(&window, 1, 1, 9);
  window.Acknowledge({1, 1});
  EXPECT_FALSE(window.WantedPage().has_value());
  window.Acknowledge({1, 2});
  const auto page = window.WantedPage();
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->after, (EventPosition{1, 4}));
  EXPECT_EQ(page->newest, (EventPosition{1, 9}));
  EXPECT_EQ(page->limit, 2u);
}

TEST(EventWindow, IsBoundedByBytesAsWellAndAsksForNoMoreThanFit) {
  const std::size_t one = MakeEvent(1, 1).ByteSizeLong();
  EventWindow window(1'000, 4 * one);
  AddUpTo(&window, 1, 1, 9);
  EXPECT_EQ(Seqs(window), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(window.bytes(), 4 * one);
  window.Acknowledge({1, 1});
  EXPECT_FALSE(window.WantedPage().has_value());
  window.Acknowledge({1, 2});
  const auto page = window.WantedPage();
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->limit_bytes, 2 * one);
  window.Extend(page->after, {MakeEvent(1, 5), MakeEvent(1, 6)}, {1, 6});
  EXPECT_EQ(window.bytes(), 4 * one);
  window.Fold(MakeLost({kNode, kBoot}, 1, 1, 5, "full", {}));
  window.Acknowledge({1, 6});
  EXPECT_EQ(window.bytes(), 0u);
}

TEST(EventWindow, AnEventLargerThanTheWindowIsTakenAlone) {
  EventWindow window(1'000, 1);
  AddUpTo(&window, 1, 1, 2);
  EXPECT_EQ(Seqs(window), (Numbers{1}));
  window.Acknowledge({1, 1});
  EXPECT_TRUE(window.WantedPage().has_value());
}

TEST(EventWindow, ANewEventNeverOvertakesWhatLiesBeyond) {
  EventWindow window(2);
  AddUpTo(&window, 1, 1, 3);
  window.Acknowledge({1, 2});
  window.Add(MakeEvent(1, 4));
  EXPECT_TRUE(Seqs(window).empty());
  window.Extend({1, 2}, {MakeEvent(1, 3), MakeEvent(1, 4)}, {1, 4});
  EXPECT_EQ(Seqs(window), (Numbers{3, 4}));
  EXPECT_FALSE(window.beyond());
}

TEST(EventWindow, AnEmptyPageEndsWhatLiesBeyond) {
  EventWindow window(2);
  AddUpTo(&window, 1, 1, 4);
  window.Acknowledge({1, 4});  // A cursor above everything, also above what was never in memory.
  const auto page = window.WantedPage();
  ASSERT_TRUE(page.has_value());
  window.Extend(page->after, {}, page->newest);
  EXPECT_FALSE(window.beyond());
  window.Add(MakeEvent(1, 5));
  EXPECT_EQ(Seqs(window), (Numbers{5}));
}

TEST(EventWindow, DropsPagedEventsThatWereAcknowledgedMeanwhile) {
  EventWindow window(2);
  AddUpTo(&window, 1, 1, 6);
  window.Acknowledge({1, 2});
  window.Acknowledge({1, 3});
  window.Extend({1, 2}, {MakeEvent(1, 3), MakeEvent(1, 4)}, {1, 4});
  EXPECT_EQ(Seqs(window), (Numbers{4}));
}

TEST(EventWindow, IgnoresAPageThatNoLongerFits) {
  EventWindow window(2);
  AddUpTo(&window, 1, 1, 6);
  window.Acknowledge({1, 2});
  window.Reset({1, 6});
  window.Extend({1, 2}, {MakeEvent(1, 3)}, {1, 3});
  EXPECT_TRUE(Seqs(window).empty());
  const auto page = window.WantedPage();
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->after, EventPosition{});
}

TEST(EventWindow, AnAcknowledgementTouchesOnlyItsOwnEpoch) {
  EventWindow window(10);
  AddUpTo(&window, 1, 7, 9);
  AddUpTo(&window, 2, 1, 2);
  window.Acknowledge({2, 1});
  EXPECT_EQ(Seqs(window), (Numbers{7, 8, 9, 1, 2}));
  window.Acknowledge({1, 9});
  EXPECT_EQ(Seqs(window), (Numbers{2}));  // 2:1 went when its turn came.
}

TEST(EventWindow, AFoldTakesThePlaceOfWhatItStandsFor) {
  EventWindow window(10);
  AddUpTo(&window, 1, 1, 5);
  const std::uint64_t fifth = window.end_index() - 1;
  window.Fold(MakeLost({kNode, kBoot}, 1, 1, 3, "full", {}));
  EXPECT_EQ(Seqs(window), (Numbers{3, 4, 5}));
  EXPECT_EQ(FirstSeq(window.at(window.begin_index())), 1);
  EXPECT_EQ(window.at(fifth).id().seq(), 5);  // Its index is what it was.
}

TEST(EventWindow, AFoldBeyondTheWindowMovesItsEnd) {
  EventWindow window(2);
  AddUpTo(&window, 1, 1, 9);
  window.Fold(MakeLost({kNode, kBoot}, 1, 1, 6, "full", {}));
  EXPECT_EQ(Seqs(window), (Numbers{6}));
  const auto page = window.WantedPage();
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->after, (EventPosition{1, 6}));
}

// ---- Sender

struct Sent {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;  // first, last of each event
};

Sent Take(EventSender* sender, const EventWindow& window) {
  Sent sent;
  const v1::EventBatch batch = sender->NextBatch(window, {});
  for (const v1::Event& event : batch.events()) {
    sent.ranges.emplace_back(FirstSeq(event), event.id().seq());
  }
  return sent;
}

using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

TEST(EventSender, SendsExactlyWhatIsAboveTheCursor) {
  EventWindow window(10);
  AddUpTo(&window, 1, 1, 5);
  EventSender sender(MakeWelcome(1, {{1, 3}}), {kNode, kBoot});
  EXPECT_EQ(Take(&sender, window).ranges, (Ranges{{4, 4}, {5, 5}}));
  EXPECT_TRUE(Take(&sender, window).ranges.empty());
  window.Add(MakeEvent(1, 6));
  EXPECT_EQ(Take(&sender, window).ranges, (Ranges{{6, 6}}));
}

TEST(EventSender, SendsTheOldestEpochFirstAndNeverTwoInOneBatch) {
  EventWindow window(10);
  AddUpTo(&window, 4, 8, 9);
  AddUpTo(&window, 5, 1, 2);
  EventSender sender(MakeWelcome(1, {{4, 7}}), {kNode, kBoot});
  const v1::EventBatch first = sender.NextBatch(window, {});
  const v1::EventBatch second = sender.NextBatch(window, {});
  ASSERT_EQ(first.events_size(), 2);
  ASSERT_EQ(second.events_size(), 2);
  EXPECT_EQ(first.events(0).id().epoch(), 4);
  EXPECT_EQ(second.events(0).id().epoch(), 5);
}

TEST(EventSender, NumbersTheNodeNoLongerHasBecomeARecord) {
  EventWindow window(10);
  AddUpTo(&window, 1, 6, 7);
  EventSender sender(MakeWelcome(1, {{1, 2}}), {kNode, kBoot});
  EXPECT_EQ(Take(&sender, window).ranges, (Ranges{{3, 5}, {6, 6}, {7, 7}}));
}

TEST(EventSender, ARecordIsNarrowedToWhatTheControllerLacks) {
  EventWindow window(10);
  window.Add(MakeLost({kNode, kBoot}, 1, 1, 9, "full", {}));
  EventSender sender(MakeWelcome(1, {{1, 4}}), {kNode, kBoot});
  EXPECT_EQ(Take(&sender, window).ranges, (Ranges{{5, 9}}));
}

TEST(EventSender, AFoldOfWhatWasSentIsNotSentAgain) {
  EventWindow window(10);
  AddUpTo(&window, 1, 1, 5);
  EventSender sender(MakeWelcome(1), {kNode, kBoot});
  EXPECT_EQ(Take(&sender, window).ranges.size(), 5u);
  window.Fold(MakeLost({kNode, kBoot}, 1, 1, 4, "full", {}));
  window.Add(MakeEvent(1, 6));
  EXPECT_EQ(Take(&sender, window).ranges, (Ranges{{6, 6}}));
}

TEST(EventSender, ABatchIsBounded) {
  EventWindow window(10'000);
  AddUpTo(&window, 1, 1, 2'000);
  EventSender sender(MakeWelcome(1), {kNode, kBoot});
  EXPECT_EQ(Take(&sender, window).ranges.size(), kMaxBatchEvents);
}

TEST(EventSender, ABatchOfEventsWithEvidenceIsBoundedByBytes) {
  EventWindow window(10'000);
  for (int seq = 1; seq <= 20; ++seq) {
    v1::Event event = MakeEvent(1, seq);
    event.mutable_evidence()->set_note(std::string(32 * 1024, 'x'));
    window.Add(std::move(event));
  }
  EventSender sender(MakeWelcome(1), {kNode, kBoot});
  int events = 0;
  while (sender.HasMore(window)) {
    const v1::EventBatch batch = sender.NextBatch(window, {});
    EXPECT_LT(batch.ByteSizeLong(), kMaxBatchBytes + 34 * 1024);
    events += batch.events_size();
  }
  EXPECT_EQ(events, 20);
}

// Whatever is acknowledged, folded, cut off and paged in: a controller that commits what it gets
// sees every number once and no hole.
TEST(EventSender, RandomHistoriesReachTheControllerWithoutAHole) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto roll = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    std::vector<v1::Event> spool;  // The disk.
    EventWindow window(8);
    std::int64_t next = 1;
    std::int64_t committed = 0;
    auto sender = std::make_unique<EventSender>(MakeWelcome(1), RecordOrigin{kNode, kBoot});
    std::int64_t pending = 0;  // Received by the controller, not committed.
    for (int step = 0; step < 400; ++step) {
      switch (roll(6)) {
        case 0:
        case 1:
          for (int n = roll(6); n > 0; --n, ++next) {
            spool.push_back(MakeEvent(1, next));
            window.Add(MakeEvent(1, next));
          }
          break;
        case 2: {
          const v1::EventBatch batch = sender->NextBatch(window, {});
          for (const v1::Event& event : batch.events()) {
            ASSERT_EQ(FirstSeq(event), pending + 1);
            pending = event.id().seq();
          }
          break;
        }
        case 3:  // Commit and acknowledge.
          committed = pending;
          window.Acknowledge({1, committed});
          std::erase_if(spool, [&](const v1::Event& e) { return e.id().seq() <= committed; });
          break;
        case 4:  // A new session.
          pending = committed;
          window.Acknowledge({1, committed});
          sender = std::make_unique<EventSender>(MakeWelcome(1, {{1, committed}}),
                                                 RecordOrigin{kNode, kBoot});
          break;
        case 5:  // The spool is full: fold its older half.
          if (spool.size() < 4) break;
          {
            const std::size_t half = spool.size() / 2;
            const v1::Event record = MakeLost({kNode, kBoot}, 1, FirstSeq(spool.front()),
                                              spool[half - 1].id().seq(), "full", {});
            spool.erase(spool.begin(), spool.begin() + static_cast<std::ptrdiff_t>(half));
            spool.insert(spool.begin(), record);
            window.Fold(record);
          }
          break;
      }
      if (const auto page = window.WantedPage(); page.has_value() && roll(2) == 0) {
        std::vector<v1::Event> events;
        for (const v1::Event& event : spool) {
          if (PositionOf(event) > page->after && events.size() < page->limit) {
            events.push_back(event);
          }
        }
        const EventPosition scanned =
            events.size() < page->limit ? page->newest : PositionOf(events.back());
        window.Extend(page->after, events, scanned);
      }
    }
    // In the end everything arrives.
    for (int rounds = 0; rounds < 1'000 && pending < next - 1; ++rounds) {
      if (const auto page = window.WantedPage(); page.has_value()) {
        std::vector<v1::Event> events;
        for (const v1::Event& event : spool) {
          if (PositionOf(event) > page->after && events.size() < page->limit) {
            events.push_back(event);
          }
        }
        const EventPosition scanned =
            events.size() < page->limit ? page->newest : PositionOf(events.back());
        window.Extend(page->after, events, scanned);
      }
      const v1::EventBatch batch = sender->NextBatch(window, {});
      for (const v1::Event& event : batch.events()) {
        ASSERT_EQ(FirstSeq(event), pending + 1);
        pending = event.id().seq();
      }
      window.Acknowledge({1, pending});
      std::erase_if(spool, [&](const v1::Event& e) { return e.id().seq() <= pending; });
    }
    EXPECT_EQ(pending, next - 1);
  }
}

}  // namespace
}  // namespace procctl::uplink
