// What the local engine drops by itself. Each opening looks at once, so tests open it again.
#include <unistd.h>

#include "controller/store/schema.h"
#include "controller/store/trim.h"
#include "tests/controller/store/local_kind.h"

namespace procctl::controller {
namespace {

class RetentionTest : public EngineConformance {
 protected:
  void ReopenWith(const HistoryLimits& limits) {
    engine_.reset();
    auto opened = OpenLocalEngine(dir_, "test", limits);
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }
  // Asks the database beside the engine until it answers so.
  void Await(const std::string& sql, const std::string& answer) {
    std::string last;
    for (int i = 0; i < 6000; ++i) {
      auto database = OpenForReading(dir_ + "/" + kDatabaseFile);
      ASSERT_TRUE(database.ok()) << database.status();
      last = database->Ask(sql).value_or("failed");
      if (last == answer) return;
      usleep(10'000);
    }
    FAIL() << sql << " stays " << last << ", wanted " << answer;
  }
  static std::vector<v1::Event> Large(std::int64_t epoch, std::int64_t first, std::int64_t last) {
    std::vector<v1::Event> events;
    for (std::int64_t seq = first; seq <= last; ++seq) {
      events.push_back(MakeEvent("a", epoch, seq));
      events.back().mutable_evidence()->set_note(std::string(20'000, 'x'));
    }
    return events;
  }
};
PROCCTL_LOCAL_SUITE(RetentionTest);

TEST_P(RetentionTest, WhatIsTooOldGoesAndTheNodeGoesOnWhereItWas) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Large(7, 1, 20)).ok());
  HistoryLimits limits;
  limits.keep = std::chrono::nanoseconds(1);
  ReopenWith(limits);
  Await("SELECT count(*) FROM events", "0");
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 20}})) << "cursors stay";
  const auto again = Append("a", session, Large(7, 1, 21));
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_EQ(again->fresh.size(), 1U) << "what was dropped does not come back";
  EXPECT_EQ(again->fresh[0].id().seq(), 21);
}

TEST_P(RetentionTest, NothingGoesWithinItsAgeNorWithoutLimits) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Large(7, 1, 3)).ok());
  HistoryLimits none;
  none.keep = std::chrono::nanoseconds(0);
  none.max_bytes = 0;
  for (const HistoryLimits& limits : {HistoryLimits(), none}) {
    ReopenWith(limits);
    // A claim is committed after whatever the first look handed in before it.
    Claim("a");
    EXPECT_EQ(Events().size(), 3U);
  }
}

TEST_P(RetentionTest, AboveItsSizeTheOldestGoUntilItFitsAndThatIsOnRecord) {
  constexpr std::int64_t kMost = 2 << 20;
  const std::int64_t session = Claim("a");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(Append("a", session, Large(7, i * 30 + 1, i * 30 + 30)).ok());
  }
  HistoryLimits limits;
  limits.max_bytes = kMost;
  ReopenWith(limits);
  Await("SELECT count(*) FROM events WHERE kind = 39", "1");
  auto database = OpenForReading(dir_ + "/" + kDatabaseFile);
  ASSERT_TRUE(database.ok()) << database.status();
  const auto size = MeasureDatabase(&*database);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_LE(size->UsedBytes(), kMost);
  const std::vector<std::string> left = Events("node=a");
  ASSERT_GT(left.size(), 50U) << "no more than needed";
  EXPECT_EQ(left.back(), "a 7/300") << "the newest stay";
  EXPECT_EQ(left.front(), "a 7/" + std::to_string(301 - left.size())) << "and no hole among them";
  Await("SELECT freelist_count < 257 FROM pragma_freelist_count", "1");
}

TEST_P(RetentionTest, ANodesOldestEpochsGoAndAreNotTakenForNew) {
  constexpr int kEpochs = 1100;
  const std::int64_t session = Claim("a");
  std::vector<v1::Event> events;
  for (int epoch = 1; epoch <= kEpochs; ++epoch) events.push_back(MakeEvent("a", epoch, 1));
  ASSERT_TRUE(Append("a", session, std::move(events)).ok());
  ReopenWith({});
  Await("SELECT count(*) FROM cursors WHERE origin = 'a'", "1000");
  EXPECT_EQ(Cursors("a").back(), (Cursor{101, 1}));
  const auto again = Append("a", session, {MakeEvent("a", 50, 1), MakeEvent("a", 50, 2)});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->fresh.empty()) << "an epoch so old is done with";
  EXPECT_EQ(again->cursors, (std::vector<Cursor>{{50, 2}}));
  const auto next = Append("a", session, {MakeEvent("a", kEpochs + 1, 1)});
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->fresh.size(), 1U);
}

}  // namespace
}  // namespace procctl::controller
