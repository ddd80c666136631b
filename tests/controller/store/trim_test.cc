#include "controller/store/trim.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "controller/store/schema.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

class TrimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "procctl-trim-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto database = OpenForWriting(folder_ + "/controller.db");
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = std::make_unique<Database>(*std::move(database));
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Do(const std::string& sql) {
    const absl::Status done = database_->Execute(sql);
    ASSERT_TRUE(done.ok()) << done;
  }
  std::string Ask(const std::string& sql) { return database_->Ask(sql).value_or("failed"); }
  // Received at `received`, of an order if one is named.
  void AddEvent(std::int64_t position, std::int64_t received, const std::string& order = "",
                std::size_t bytes = 10) {
    Do(fmt::format(
        "INSERT INTO events(position, origin, epoch, seq, received_ns, node, slot, "
        "name, pid, kind, cause, verdict, order_id, body) VALUES({0}, 'a', 1, {0}, {1}, "
        "'a', '', '', 0, 1, 0, 0, {2}, zeroblob({3}))",
        position, received, order.empty() ? "NULL" : "'" + order + "'", bytes));
  }
  void AddRequest(int number, std::int64_t received, int state, int targets) {
    Do(
        fmt::format("INSERT INTO requests(number, request_id, issuer, received_ns, reason, state) "
                    "VALUES({0}, 'r{0}', 'operator/alice', {1}, '', {2})",
                    number, received, state));
    for (int i = 0; i < targets; ++i) {
      Do(
          fmt::format("INSERT INTO targets(request_id, target, node, slot, boot_id, pid, "
                      "start_ticks, generation) VALUES('r{}', {}, 'a', '', '', 1, 1, 1)",
                      number, i));
    }
  }
  // The time is up at once: each piece does as little as a piece can.
  template <typename Trim>
  int Pieces(Trim trim, TrimPass* pass) {
    int pieces = 0;
    for (; !pass->done && pieces < 1000; ++pieces) {
      const absl::Status done = trim(std::chrono::steady_clock::now(), pass);
      EXPECT_TRUE(done.ok()) << done;
      if (!done.ok()) break;
    }
    return pieces;
  }

  std::string folder_;
  std::unique_ptr<Database> database_;
};

TEST_F(TrimTest, EventsGoOldestFirstUntilTheFirstThatIsYoungEnough) {
  Do("BEGIN");
  for (int i = 1; i <= 500; ++i) AddEvent(i, 1000 + i);
  AddEvent(501, 1);  // the wall clock had jumped: position decides
  Do("COMMIT");
  TrimPass pass;
  const int pieces = Pieces(
      [&](TrimUntil until, TrimPass* p) {
        return TrimEvents({.before_ns = 1301}, until, database_.get(), p);
      },
      &pass);
  EXPECT_GT(pieces, 1) << "in pieces";
  EXPECT_EQ(pass.dropped, 300) << "one received at the limit stays";
  EXPECT_EQ(Ask("SELECT min(position) FROM events"), "301");
  EXPECT_EQ(Ask("SELECT max(position) FROM events"), "501");
  EXPECT_EQ(Ask("PRAGMA quick_check"), "ok");
}

TEST_F(TrimTest, EventsOfAnOrderStayAsLongAsItsRequest) {
  AddRequest(1, 10, 5, 1);
  AddEvent(1, 10);
  AddEvent(2, 11, "r1/0");
  AddEvent(3, 12, "r1");  // a step of the order as a whole
  AddEvent(4, 13, "gone/0");
  AddEvent(5, 14, "r12/0");  // only begins like it
  TrimPass pass;
  Pieces([&](TrimUntil until, TrimPass* p) { return TrimEvents({}, until, database_.get(), p); },
         &pass);
  EXPECT_EQ(pass.dropped, 3);
  EXPECT_EQ(Ask("SELECT group_concat(position) FROM events"), "2,3");
  Do("DELETE FROM requests");
  pass = {};
  Pieces([&](TrimUntil until, TrimPass* p) { return TrimEvents({}, until, database_.get(), p); },
         &pass);
  EXPECT_EQ(Ask("SELECT count(*) FROM events"), "0");
}

TEST_F(TrimTest, RequestsGoWithTheirTargetsButNoneThatStillRuns) {
  Do("BEGIN");
  for (int state = 1; state <= 5; ++state) AddRequest(state, 10, state, 200);
  AddRequest(6, 20, 5, 1);
  Do("COMMIT");
  TrimPass pass;
  const int pieces = Pieces(
      [&](TrimUntil until, TrimPass* p) { return TrimRequests(20, until, database_.get(), p); },
      &pass);
  EXPECT_GT(pieces, 2) << "many targets, in pieces";
  EXPECT_EQ(pass.dropped, 2);
  EXPECT_EQ(Ask("SELECT group_concat(request_id) FROM requests"), "r1,r2,r3,r6");
  EXPECT_EQ(Ask("SELECT count(*) FROM targets"), "601");
}

TEST_F(TrimTest, OfCursorsTheNewestEpochsStayAndThoseOfOthersAll) {
  Do("BEGIN");
  for (int epoch = 1; epoch <= 300; ++epoch) {
    Do(fmt::format("INSERT INTO cursors VALUES('a', {}, 9)", epoch));
  }
  Do("INSERT INTO cursors VALUES('b', 1, 9)");
  Do("COMMIT");
  TrimPass pass;
  Pieces([&](TrimUntil until,
             TrimPass* p) { return TrimCursors("a", 100, until, database_.get(), p); },
         &pass);
  EXPECT_EQ(pass.dropped, 200);
  EXPECT_EQ(Ask("SELECT min(epoch) FROM cursors WHERE origin = 'a'"), "201");
  EXPECT_EQ(Ask("SELECT count(*) FROM cursors"), "101");
}

TEST_F(TrimTest, FreePagesAreGivenBackUntilSomeAreLeft) {
  Do("BEGIN");
  for (int i = 1; i <= 400; ++i) AddEvent(i, i, "", 8000);
  Do("COMMIT");
  Do("DELETE FROM events");
  const auto before = MeasureDatabase(database_.get());
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_GT(before->free_pages, 700);
  TrimPass pass;
  const int pieces = Pieces(
      [&](TrimUntil until, TrimPass* p) { return GivePagesBack(50, until, database_.get(), p); },
      &pass);
  EXPECT_GT(pieces, 1);
  const auto after = MeasureDatabase(database_.get());
  EXPECT_EQ(after->free_pages, 50);
  EXPECT_LE(after->UsedBytes(), before->UsedBytes()) << "nothing in use grows by it";
  EXPECT_LT(after->pages, before->pages - 600);
  EXPECT_EQ(Ask("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace procctl::controller
