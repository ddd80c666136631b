// The spool on a real disk: database and thread.
#include "node/uplink/spool.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "node/uplink/spool_db.h"
#include "tests/node/uplink/fixtures.h"
#include "tests/proto/test_fleet.h"

namespace procctl::uplink {
namespace {

using Folder = procctl::testing::TemporaryFolder;
using std::chrono::seconds;

SpoolOptions Options(const Folder& dir, std::int64_t max_events = 1'000,
                     std::int64_t guardian_epoch = 1) {
  return {dir.path(), {kNode, kBoot}, guardian_epoch, max_events};
}

SpooledEvent Spooled(const v1::Event& event) {
  return {PositionOf(event), event.SerializeAsString(),
          event.kind() == v1::EVENT_KIND_VERDICT ? event.order_id() : ""};
}

SpoolBatch Events(std::int64_t epoch, std::int64_t first, std::int64_t last) {
  SpoolBatch batch;
  for (std::int64_t seq = first; seq <= last; ++seq) {
    batch.events.push_back(Spooled(MakeEvent(epoch, seq)));
  }
  return batch;
}

std::unique_ptr<SpoolDb> OpenDb(const SpoolOptions& options, SpoolContent* content) {
  *content = {};
  absl::StatusOr<std::unique_ptr<SpoolDb>> db = SpoolDb::Open(options, content);
  EXPECT_TRUE(db.ok()) << db.status();
  return db.ok() ? *std::move(db) : nullptr;
}

TEST(SpoolDb, WhatWasCommittedIsThereAfterReopening) {
  Folder dir;
  SpoolContent content;
  {
    auto db = OpenDb(Options(dir), &content);
    SpoolBatch batch = Events(1, 1, 5);
    batch.events.push_back(Spooled(MakeVerdict(1, 6, "r/1")));
    batch.intents = {{"r/1", 1, false}, {"r/2", 1, false}};
    batch.fence = Fence{77, {{"db", 3, "a"}, {"older", 1, "b"}}};
    ASSERT_TRUE(db->Apply(batch).ok());
  }
  auto db = OpenDb(Options(dir), &content);
  EXPECT_EQ(content.fence, (Fence{77, {{"db", 3, "a"}, {"older", 1, "b"}}}));
  EXPECT_EQ(content.spooled_seq, 6);
  EXPECT_EQ(content.newest, (EventPosition{1, 6}));
  EXPECT_EQ(db->rows(), 6);
  ASSERT_EQ(content.orders.size(), 2u);
  EXPECT_TRUE(content.orders[0].verdict_seen);
  EXPECT_FALSE(content.orders[1].verdict_seen);
  const auto events = db->Read({1, 4}, 10, 1 << 20);
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(events->front().id().seq(), 5);
}

TEST(SpoolDb, AcknowledgedEventsGoButTheirNumbersAreRemembered) {
  Folder dir;
  SpoolContent content;
  {
    auto db = OpenDb(Options(dir), &content);
    ASSERT_TRUE(db->Apply(Events(1, 1, 5)).ok());
    SpoolBatch ack;
    ack.acknowledged = {{1, 5}};
    ASSERT_TRUE(db->Apply(ack).ok());
    EXPECT_EQ(db->rows(), 0);
  }
  auto db = OpenDb(Options(dir), &content);
  EXPECT_EQ(content.spooled_seq, 5);
  EXPECT_EQ(content.newest, EventPosition{});
}

TEST(SpoolDb, ANewGuardianStartsItsNumbersAfresh) {
  Folder dir;
  SpoolContent content;
  {
    auto db = OpenDb(Options(dir), &content);
    ASSERT_TRUE(db->Apply(Events(1, 1, 5)).ok());
  }
  auto db = OpenDb(Options(dir, 1'000, 2), &content);
  EXPECT_EQ(content.spooled_seq, 0);
  EXPECT_EQ(content.newest, (EventPosition{1, 5}));
}

TEST(SpoolDb, BeyondItsBoundTheOldestBecomeOneRecord) {
  Folder dir;
  SpoolContent content;
  auto db = OpenDb(Options(dir, 10), &content);
  ASSERT_TRUE(db->Apply(Events(1, 1, 10))->empty());
  auto folded = db->Apply(Events(1, 11, 15));
  ASSERT_TRUE(folded.ok()) << folded.status();
  ASSERT_EQ(folded->size(), 1u);
  EXPECT_EQ(FirstSeq(folded->front()), 1);
  EXPECT_EQ(folded->front().id().seq(), 6);
  EXPECT_EQ(db->rows(), 10);
  // The record itself gives way to a wider one.
  folded = db->Apply(Events(1, 16, 17));
  ASSERT_EQ(folded->size(), 1u);
  EXPECT_EQ(FirstSeq(folded->front()), 1);
  EXPECT_EQ(folded->front().id().seq(), 8);
  const auto all = db->Read({}, 100, 1 << 20);
  ASSERT_EQ(all->size(), 10u);
  EXPECT_EQ(all->front().kind(), v1::EVENT_KIND_EVENTS_LOST);
  EXPECT_EQ(all->back().id().seq(), 17);
}

TEST(SpoolDb, GarbageIsDataLossAndCanBeSetAside) {
  Folder dir;
  std::ofstream(dir.path() + "/spool.db") << std::string(8'192, 'x');
  SpoolContent content;
  const auto db = SpoolDb::Open(Options(dir), &content);
  ASSERT_TRUE(absl::IsDataLoss(db.status())) << db.status();
  const auto aside = SpoolDb::SetAside(Options(dir));
  ASSERT_TRUE(aside.ok()) << aside.status();
  EXPECT_TRUE(std::filesystem::exists(*aside));
  EXPECT_NE(OpenDb(Options(dir), &content), nullptr);
}

TEST(SpoolDb, ASpoolOfAnotherNodeOrOfALaterGuardianIsNotUsed) {
  Folder dir;
  SpoolContent content;
  {
    auto db = OpenDb(Options(dir, 1'000, 5), &content);
    ASSERT_TRUE(db->Apply(Events(5, 1, 1)).ok());
  }
  SpoolOptions other = Options(dir, 1'000, 5);
  other.origin.node_id = "web-02";
  EXPECT_TRUE(absl::IsDataLoss(SpoolDb::Open(other, &content).status()));
  EXPECT_TRUE(absl::IsDataLoss(SpoolDb::Open(Options(dir, 1'000, 4), &content).status()));
}

TEST(SpoolDb, TwoUplinksCannotShareASpool) {
  Folder dir;
  SpoolContent content;
  auto first = OpenDb(Options(dir), &content);
  EXPECT_TRUE(absl::IsUnavailable(SpoolDb::Open(Options(dir), &content).status()));
}

TEST(SpoolDb, AFolderThatIsNotThereMayComeLater) {
  Folder dir;
  SpoolOptions options = Options(dir);
  options.state_dir += "/missing";
  SpoolContent content;
  EXPECT_TRUE(absl::IsUnavailable(SpoolDb::Open(options, &content).status()));
}

// ---- The thread

class Listener : public SpoolListener {
 public:
  void OnSpoolLoaded(SpoolContent content) override {
    absl::MutexLock lock(&mutex);
    loaded = std::move(content);
    ++loads;
  }
  std::vector<v1::Event> OnSpoolReplaced() override {
    absl::MutexLock lock(&mutex);
    return in_memory;
  }
  void OnSpooled(std::int64_t seq) override {
    absl::MutexLock lock(&mutex);
    spooled = std::max(spooled, seq);
  }
  void OnIntentsWritten(std::uint64_t ticket) override {
    absl::MutexLock lock(&mutex);
    written = ticket;
  }
  void OnFolded(std::vector<v1::Event> records) override {
    absl::MutexLock lock(&mutex);
    folded += records.size();
  }
  void OnPage(EventPosition, std::vector<v1::Event> events, EventPosition end) override {
    absl::MutexLock lock(&mutex);
    page = std::move(events);
    scanned = end;
    paged = true;
  }

  template <typename Predicate>
  bool Await(Predicate predicate) {
    absl::MutexLock lock(&mutex);
    return mutex.AwaitWithTimeout(absl::Condition(&predicate), absl::Seconds(10));
  }

  absl::Mutex mutex;
  SpoolContent loaded;
  std::vector<v1::Event> in_memory;
  int loads = 0;
  std::int64_t spooled = 0;
  std::uint64_t written = 0;
  std::size_t folded = 0;
  bool paged = false;
  std::vector<v1::Event> page;
  EventPosition scanned;
};

TEST(Spool, WritesWhatItIsGivenAndFinishesBeforeItStops) {
  Folder dir;
  {
    Listener listener;
    Spool spool(Options(dir, 100'000), &listener);
    spool.Start(seconds(5));
    EXPECT_EQ(listener.loads, 1);
    for (int seq = 1; seq <= 10'000; ++seq) spool.Add(MakeEvent(1, seq));
    ASSERT_TRUE(spool.Stop(seconds(10)));
    EXPECT_EQ(listener.spooled, 10'000);
  }
  SpoolContent content;
  EXPECT_EQ(OpenDb(Options(dir), &content)->rows(), 10'000);
}

TEST(Spool, WhatIsAcknowledgedBeforeItIsWrittenIsRememberedAllTheSame) {
  Folder dir;
  Listener listener;
  SpoolOptions options = Options(dir);
  options.state_dir += "/late";
  Spool spool(options, &listener);
  spool.Start(seconds(5));
  (void)spool.AddIntent({"r/1", 1, false});
  spool.Add(MakeEvent(1, 1));
  spool.Add(MakeVerdict(1, 2, "r/1"));
  spool.Acknowledge({1, 2});
  EXPECT_EQ(spool.waiting(), 0);
  ASSERT_EQ(mkdir(options.state_dir.c_str(), 0700), 0);
  ASSERT_TRUE(listener.Await([&] { return listener.spooled == 2; }));
  ASSERT_TRUE(spool.Stop(seconds(5)));
  SpoolContent content;
  EXPECT_EQ(OpenDb(options, &content)->rows(), 0);
  EXPECT_EQ(content.spooled_seq, 2);
  ASSERT_EQ(content.orders.size(), 1u);
  EXPECT_TRUE(content.orders[0].verdict_seen);
}

TEST(Spool, AFenceIsOnDiskWhenSaveReturns) {
  Folder dir;
  Listener listener;
  {
    Spool spool(Options(dir), &listener);
    spool.Start(seconds(5));
    EXPECT_TRUE(spool.SaveFence({9, {{"db", 2, "a"}, {"old", 1, "b"}}}, seconds(5)));
    EXPECT_TRUE(spool.SaveFence({10, {{"db", 3, "c"}}}, seconds(5)));
    EXPECT_TRUE(spool.Stop(seconds(5)));
  }
  SpoolContent content;
  (void)OpenDb(Options(dir), &content);
  EXPECT_EQ(content.fence, (Fence{10, {{"db", 3, "c"}}}));
}

TEST(Spool, PagesReachFromTheDiskIntoWhatIsNotWrittenYet) {
  Folder dir;
  Listener listener;
  Spool spool(Options(dir), &listener);
  spool.Start(seconds(5));
  for (int seq = 1; seq <= 50; ++seq) spool.Add(MakeEvent(1, seq));
  spool.Request({{1, 10}, {1, 50}, 1'000});
  ASSERT_TRUE(listener.Await([&] { return listener.paged; }));
  absl::MutexLock lock(&listener.mutex);
  ASSERT_EQ(listener.page.size(), 40u);
  EXPECT_EQ(listener.page.front().id().seq(), 11);
  EXPECT_EQ(listener.scanned, (EventPosition{1, 50}));
}

TEST(Spool, APageAndTheQueueAreBoundedByBytesAsWell) {
  Folder dir;
  Listener listener;
  SpoolOptions options = Options(dir);
  options.state_dir += "/missing";
  Spool spool(options, &listener);
  spool.Start(seconds(5));
  v1::Event event = MakeEvent(1, 1);
  event.mutable_evidence()->set_note(std::string(1 << 20, 'x'));
  std::int64_t seq = 0;
  while (!spool.Full()) {
    event.mutable_id()->set_seq(++seq);
    spool.Add(event);
    ASSERT_LE(seq, 64);
  }
  EXPECT_EQ(seq, 32);
  spool.Request({{}, {1, seq}, 1'000, 2'000'000});
  ASSERT_TRUE(listener.Await([&] { return listener.paged; }));
  {
    absl::MutexLock lock(&listener.mutex);
    EXPECT_EQ(listener.page.size(), 2u);
    EXPECT_EQ(listener.scanned, (EventPosition{1, 2}));
  }
  spool.Acknowledge({1, 1});
  EXPECT_FALSE(spool.Full());
}

TEST(SpoolDb, AReadEndsWithTheEventThatReachesItsBytes) {
  Folder dir;
  SpoolContent content;
  const auto db = OpenDb(Options(dir), &content);
  SpoolBatch batch;
  for (int seq = 1; seq <= 3; ++seq) {
    batch.events.push_back({{1, seq}, MakeEvent(1, seq).SerializeAsString(), ""});
  }
  const std::size_t one = batch.events[0].body.size();
  ASSERT_TRUE(db->Apply(batch).ok());
  EXPECT_EQ(db->Read({}, 10, one)->size(), 1u);
  EXPECT_EQ(db->Read({}, 10, one + 1)->size(), 2u);
}

TEST(Spool, AFolderThatComesLateIsUsedThen) {
  Folder dir;
  Listener listener;
  SpoolOptions options = Options(dir);
  options.state_dir += "/late";
  Spool spool(options, &listener);
  spool.Start(seconds(5));
  EXPECT_EQ(listener.loads, 0);
  for (int seq = 1; seq <= 3; ++seq) spool.Add(MakeEvent(1, seq));
  EXPECT_FALSE(spool.SaveFence({4, {}}, seconds(5)));  // It is known to fail: no waiting.
  spool.Request({{}, {1, 3}, 10});                     // From memory alone.
  ASSERT_TRUE(listener.Await([&] { return listener.paged; }));
  EXPECT_EQ(listener.page.size(), 3u);
  EXPECT_EQ(listener.spooled, 0);
  ASSERT_EQ(mkdir(options.state_dir.c_str(), 0700), 0);
  ASSERT_TRUE(listener.Await([&] { return listener.spooled == 3; }));
  ASSERT_TRUE(spool.Stop(seconds(5)));
  SpoolContent content;
  (void)OpenDb(options, &content);
  EXPECT_EQ(content.fence.max_session_epoch, 4);
}

TEST(Spool, ADatabaseDamagedUnderWayIsReplacedAndMemoryIsWrittenAgain) {
  Folder dir;
  Listener listener;
  Spool spool(Options(dir, 100'000), &listener);
  spool.Start(seconds(5));
  // More than SQLite keeps in memory, so that the damage is read.
  for (int seq = 1; seq <= 20'000; ++seq) {
    v1::Event event = MakeEvent(1, seq);
    event.set_message(std::string(500, 'm'));
    spool.Add(event);
  }
  ASSERT_TRUE(listener.Await([&] { return listener.spooled == 20'000; }));
  {
    absl::MutexLock lock(&listener.mutex);
    listener.in_memory = {MakeEvent(1, 1), MakeEvent(1, 2)};
  }
  for (const char* name : {"/spool.db", "/spool.db-wal"}) {
    std::fstream file(dir.path() + name, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = std::filesystem::file_size(dir.path() + name);
    file << std::string(size, '\xa5');
  }
  spool.Request({{1, 3}, {1, 20'000}, 20'000});
  spool.Acknowledge({1, 0});  // Work that touches the damage, whichever comes first.
  const auto is_aside = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
      if (entry.path().filename().string().starts_with("spool.db.corrupt-")) return true;
    }
    return false;
  };
  ASSERT_TRUE(listener.Await([&] { return listener.paged; }));
  EXPECT_TRUE(is_aside());
  spool.Add(MakeEvent(1, 20'001));
  ASSERT_TRUE(spool.Stop(seconds(5)));
  SpoolContent content;
  auto db = OpenDb(Options(dir), &content);
  const auto events = db->Read({}, 10, 1 << 20);
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 3u);
  EXPECT_EQ(events->at(1).id().seq(), 2);
  EXPECT_EQ(events->at(2).id().seq(), 20'001);
}

// ---- By bytes

// About a kilobyte.
v1::Event LargeEvent(std::int64_t epoch, std::int64_t seq) {
  v1::Event event = MakeEvent(epoch, seq);
  event.set_message(std::string(1'000, 'm'));
  return event;
}

SpoolBatch LargeEvents(std::int64_t epoch, std::int64_t first, std::int64_t last) {
  SpoolBatch batch;
  for (std::int64_t seq = first; seq <= last; ++seq) {
    batch.events.push_back(Spooled(LargeEvent(epoch, seq)));
  }
  return batch;
}

std::int64_t BytesOf(const std::vector<v1::Event>& events) {
  std::size_t bytes = 0;
  for (const v1::Event& event : events) bytes += event.ByteSizeLong();
  return static_cast<std::int64_t>(bytes);
}

TEST(SpoolDb, BeyondItsBytesTheOldestBecomeOneRecord) {
  Folder dir;
  SpoolContent content;
  SpoolOptions options = Options(dir, 100'000);
  options.max_bytes = 20'000;
  std::int64_t first_kept = 0;
  {
    auto db = OpenDb(options, &content);
    for (int seq = 1; seq <= 100; seq += 5) {
      ASSERT_TRUE(db->Apply(LargeEvents(1, seq, seq + 4)).ok());
      EXPECT_LE(db->bytes(), 20'000);
    }
    const auto events = db->Read({}, 1'000, 1 << 20);
    ASSERT_TRUE(events.ok());
    EXPECT_EQ(db->bytes(), BytesOf(*events));
    const v1::Event& record = events->front();
    EXPECT_EQ(record.kind(), v1::EVENT_KIND_EVENTS_LOST);
    EXPECT_EQ(record.lost().first_seq(), 1);
    first_kept = record.lost().last_seq() + 1;
    EXPECT_GT(events->size(), 15U) << "no more than must";
    for (std::size_t i = 1; i < events->size(); ++i) {
      EXPECT_EQ((*events)[i].id().seq(), record.lost().last_seq() + static_cast<std::int64_t>(i));
    }
    EXPECT_EQ(events->back().id().seq(), 100);
    EXPECT_EQ(db->held(), (HeldSpans{{1, {1, 100}}})) << "the record accounts for the lost ones";
  }
  // The count survives.
  auto db = OpenDb(options, &content);
  const auto events = db->Read({}, 1'000, 1 << 20);
  ASSERT_TRUE(events.ok());
  EXPECT_EQ(db->bytes(), BytesOf(*events));
  EXPECT_EQ(db->held(), (HeldSpans{{1, {1, 100}}}));
  SpoolBatch ack;
  ack.acknowledged = {{1, first_kept}};
  ASSERT_TRUE(db->Apply(ack).ok());
  EXPECT_EQ(db->held(), (HeldSpans{{1, {first_kept + 1, 100}}}));
  ack.acknowledged = {{1, 100}};
  ASSERT_TRUE(db->Apply(ack).ok());
  EXPECT_EQ(db->bytes(), 0);
  EXPECT_TRUE(db->held().empty());
}

TEST(SpoolDb, OlderEpochsGiveTheirBytesFirstAndAreNeverJoined) {
  Folder dir;
  SpoolContent content;
  SpoolOptions options = Options(dir, 100'000, 3);
  options.max_bytes = 8'000;
  auto db = OpenDb(options, &content);
  ASSERT_TRUE(db->Apply(LargeEvents(1, 1, 3)).ok());
  ASSERT_TRUE(db->Apply(LargeEvents(2, 1, 3)).ok());
  ASSERT_TRUE(db->Apply(LargeEvents(3, 1, 5)).ok());
  const auto events = db->Read({}, 1'000, 1 << 20);
  ASSERT_TRUE(events.ok());
  EXPECT_LE(db->bytes(), 8'000);
  EXPECT_EQ((*events)[0].id().epoch(), 1);
  EXPECT_EQ((*events)[0].lost().last_seq(), 3);
  EXPECT_EQ((*events)[1].id().epoch(), 2);
  EXPECT_EQ(events->back().id().epoch(), 3);
  EXPECT_EQ(events->back().id().seq(), 5);
}

TEST(SpoolDb, OneEventLargerThanTheBoundBecomesARecordOfItself) {
  Folder dir;
  SpoolContent content;
  SpoolOptions options = Options(dir);
  options.max_bytes = 5'000;
  auto db = OpenDb(options, &content);
  v1::Event huge = MakeEvent(1, 1);
  huge.set_message(std::string(30'000, 'm'));
  SpoolBatch batch;
  batch.events = {Spooled(huge)};
  const auto folded = db->Apply(batch);
  ASSERT_TRUE(folded.ok());
  ASSERT_EQ(folded->size(), 1U);
  EXPECT_EQ(folded->front().lost().first_seq(), 1);
  EXPECT_EQ(folded->front().lost().last_seq(), 1);
  EXPECT_LE(db->bytes(), 5'000);
  // A record alone is as small as it gets.
  ASSERT_TRUE(db->Apply(Events(1, 2, 2)).ok());
  EXPECT_EQ(db->rows(), 2);
}

TEST(SpoolDb, ASpoolThatAnOlderUplinkWroteToIsCountedAnew) {
  Folder dir;
  SpoolContent content;
  std::int64_t bytes = 0;
  {
    auto db = OpenDb(Options(dir), &content);
    ASSERT_TRUE(db->Apply(LargeEvents(1, 1, 5)).ok());
    bytes = db->bytes();
  }
  {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open((dir.path() + "/spool.db").c_str(), &raw), SQLITE_OK);
    const DatabasePtr owned(raw);
    ASSERT_TRUE(Execute(raw, "DELETE FROM meta WHERE key LIKE 'bytes%'").ok());
  }
  const auto db = OpenDb(Options(dir), &content);
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(db->bytes(), bytes);
}

TEST(Spool, SaysWhatItHoldsOnceTheDiskHasSaidSo) {
  Folder dir;
  Listener listener;
  SpoolOptions options = Options(dir);
  options.state_dir += "/late";
  Spool spool(options, &listener);
  spool.Start(seconds(5));
  spool.Add(MakeEvent(1, 1));
  EXPECT_EQ(spool.Held(), std::nullopt) << "more may lie on the disk";
  ASSERT_EQ(mkdir(options.state_dir.c_str(), 0700), 0);
  ASSERT_TRUE(listener.Await([&] { return listener.loads == 1; }));
  spool.Add(MakeEvent(1, 2));
  EXPECT_EQ(spool.Held(), (HeldSpans{{1, {1, 2}}}));
  ASSERT_TRUE(listener.Await([&] { return listener.spooled == 2; }));
  EXPECT_EQ(spool.Held(), (HeldSpans{{1, {1, 2}}}));
  spool.Acknowledge({1, 1});
  spool.Add(MakeLost({kNode, kBoot}, 1, 3, 9, "a test wants it", {}));
  ASSERT_TRUE(listener.Await([&] { return listener.spooled == 9; }));
  EXPECT_EQ(spool.Held(), (HeldSpans{{1, {2, 9}}}));
  ASSERT_TRUE(spool.Stop(seconds(5)));
}

}  // namespace
}  // namespace procctl::uplink
