#include "controller/store/local_engine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "controller/store/sqlite.h"
#include "tests/controller/store/engine_conformance.h"

namespace procctl::controller {
namespace {

absl::StatusOr<std::unique_ptr<Engine>> Open(const std::string& dir) {
  return OpenLocalEngine(dir, "test");
}

INSTANTIATE_TEST_SUITE_P(Local, EngineConformance, ::testing::Values(EngineKind{"Local", Open}),
                         [](const auto& kind) { return kind.param.name; });

class LocalEngineTest : public EngineConformance {};
INSTANTIATE_TEST_SUITE_P(Only, LocalEngineTest, ::testing::Values(EngineKind{"Local", Open}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(LocalEngineTest, ASecondControllerInTheSameFolderIsRefusedByPid) {
  const auto second = Open(dir_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(second.status().message().find("pid " + std::to_string(getpid())),
            absl::string_view::npos)
      << second.status();
}

TEST_P(LocalEngineTest, TheFolderIsClosedToOthers) {
  struct stat facts = {};
  ASSERT_EQ(stat(dir_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700U);
}

TEST_P(LocalEngineTest, ADatabaseOfANewerVersionIsRefused) {
  engine_.reset();
  {
    auto database = Database::Open(dir_ + "/controller.db", Database::Access::kReadWrite);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->Execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'").ok());
  }
  const auto opened = Open(dir_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(opened.status().message().find("schema version 99"), absl::string_view::npos);
}

// The tables as the first release made them, with one event and one request in them.
constexpr char kVersionOne[] = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE nodes(
  node TEXT PRIMARY KEY, session_epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursors(
  origin TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(origin, epoch)) STRICT, WITHOUT ROWID;
CREATE TABLE events(
  position INTEGER PRIMARY KEY,
  origin TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  received_ns INTEGER NOT NULL,
  node TEXT NOT NULL, slot TEXT NOT NULL, name TEXT NOT NULL, pid INTEGER NOT NULL,
  kind INTEGER NOT NULL, cause INTEGER NOT NULL, verdict INTEGER NOT NULL,
  order_id TEXT, body BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX events_identity ON events(origin, epoch, seq);
CREATE INDEX events_node ON events(node, position);
CREATE INDEX events_received ON events(received_ns);
CREATE INDEX events_order ON events(order_id) WHERE order_id IS NOT NULL;
CREATE TABLE requests(
  number INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE, issuer TEXT NOT NULL,
  received_ns INTEGER NOT NULL, grace_ns INTEGER, time_to_live_ns INTEGER,
  reason TEXT NOT NULL) STRICT;
CREATE TABLE targets(
  request_id TEXT NOT NULL, target INTEGER NOT NULL, node TEXT NOT NULL, slot TEXT NOT NULL,
  boot_id TEXT NOT NULL, pid INTEGER NOT NULL, start_ticks INTEGER NOT NULL,
  generation INTEGER NOT NULL, PRIMARY KEY(request_id, target)) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('schema_version', 1), ('own_epoch', 4);
INSERT INTO nodes VALUES('a', 9);
INSERT INTO cursors VALUES('a', 7, 1);
INSERT INTO requests VALUES(1, 'r', 'operator/alice', strftime('%s') * 1000000000, NULL, NULL, 'stuck');
INSERT INTO targets VALUES('r', 0, 'a', 'encoder', 'boot', 4242, 99, 7);
)sql";

class MigrationTest : public EngineConformance {
 protected:
  // A folder that the first release has left.
  void SetUp() override {
    EngineConformance::SetUp();
    engine_.reset();
    for (const char* ending : {"", "-wal", "-shm"}) {
      (void)unlink((dir_ + "/controller.db" + ending).c_str());
    }
    auto database = Raw();
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status made = database->Execute(kVersionOne);
    ASSERT_TRUE(made.ok()) << made;
    auto insert = database->Prepare(
        "INSERT INTO events VALUES(1, 'a', 7, 1, strftime('%s') * 1000000000, 'a', 'encoder.2', "
        "'encoder', 1001, 20, 0, 0, "
        "NULL, ?)");
    ASSERT_TRUE(insert.ok()) << insert.status();
    ASSERT_TRUE(insert->BindBlob(MakeEvent("a", 7, 1).SerializeAsString()).Run().ok());
  }
  absl::StatusOr<Database> Raw() {
    return Database::Open(dir_ + "/controller.db", Database::Access::kReadWrite);
  }
};
INSTANTIATE_TEST_SUITE_P(Only, MigrationTest, ::testing::Values(EngineKind{"Local", Open}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(MigrationTest, ADatabaseOfTheFirstReleaseIsBroughtUpToDateWithAllItHolds) {
  for (int start = 1; start <= 2; ++start) {
    SCOPED_TRACE(start);
    Reopen();
    ASSERT_NE(engine_, nullptr);
    EXPECT_EQ(Events("kill=0").front(), "a 7/1");
    const auto request = engine_->history().FindRequest("r");
    ASSERT_TRUE(request.ok() && request->has_value()) << request.status();
    EXPECT_EQ((*request)->request.act, Act::kStop) << "holds did not exist";
    EXPECT_EQ((*request)->request.reason, "stuck");
  }
  const std::int64_t session = Claim("a");
  EXPECT_EQ(session, 10) << "one more than the old database knew";
  v1::Event event = MakeEvent("a", 7, 2);
  event.set_kill(12);
  event.set_program("web@1");
  event.set_run("web@1/17");
  ASSERT_TRUE(Append("a", session, {event}).ok());
  EXPECT_EQ(Events("kill=12"), (std::vector<std::string>{"a 7/2"}));
  EXPECT_EQ(Events("kill!=12"), (std::vector<std::string>{"a 7/1"}));
  EXPECT_EQ(Events("program=web@1"), (std::vector<std::string>{"a 7/2"}));
  EXPECT_EQ(Events("program!=web@1"), (std::vector<std::string>{"a 7/1"}));
  EXPECT_EQ(Events("run=web@1/17"), (std::vector<std::string>{"a 7/2"}));
  engine_.reset();
  auto database = Raw();
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(*database->Ask("SELECT value FROM meta WHERE key = 'schema_version'"), "4");
  EXPECT_EQ(database->Ask("SELECT value FROM identity WHERE key = 'history_id'")->size(), 36U);
  // By number, label or run, events are found without reading the whole log.
  for (const auto& [condition, index] :
       {std::pair{"kill IN (?)", "events_kill"}, std::pair{"program = ?", "events_program"},
        std::pair{"run = ?", "events_run"}}) {
    auto plan = database->Prepare(std::string("EXPLAIN QUERY PLAN SELECT body FROM events WHERE ") +
                                  condition + " AND position >= ?");
    ASSERT_TRUE(plan.ok()) << plan.status();
    auto row = plan->Step();
    ASSERT_TRUE(row.ok() && *row);
    EXPECT_NE(plan->Text(3).find(index), std::string_view::npos) << plan->Text(3);
  }
}

TEST_P(MigrationTest, OneThatFailsHalfwayLeavesTheOldDatabaseAsItWas) {
  {
    auto database = Raw();
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->Execute("CREATE INDEX events_kill ON events(pid)").ok());
  }
  EXPECT_FALSE(Open(dir_).ok());
  auto database = Raw();
  ASSERT_TRUE(database.ok());
  EXPECT_EQ(*database->Ask("SELECT value FROM meta WHERE key = 'schema_version'"), "1");
  EXPECT_EQ(*database->Ask("SELECT count(*) FROM pragma_table_info('events') WHERE name = 'kill'"),
            "0");
  ASSERT_TRUE(database->Execute("DROP INDEX events_kill").ok());
  EXPECT_TRUE(Open(dir_).ok());
}

TEST_P(LocalEngineTest, TheLogIsMovedIntoTheDatabaseAndBeginsAnew) {
  const std::int64_t session = Claim("a");
  const auto size = [&](const char* ending) {
    return std::filesystem::file_size(dir_ + "/controller.db" + ending);
  };
  std::int64_t seq = 0;
  // Twice what makes it worthwhile to begin the log anew, each time; it ends long before.
  for (int i = 0; i < 400 && size("") < (64U << 20); ++i) {
    std::vector<v1::Event> events;
    for (int k = 0; k < 20; ++k) {
      events.push_back(MakeEvent("a", 7, ++seq));
      events.back().mutable_evidence()->set_note(std::string(30'000, 'x'));
    }
    ASSERT_TRUE(Append("a", session, std::move(events)).ok());
  }
  EXPECT_GE(size(""), 64U << 20) << "after " << seq << " events";
  EXPECT_LT(size("-wal"), 180U << 20);
}

// The child appends and reports each acknowledged number through a pipe until it is killed;
// whatever was acknowledged must be there, contiguous and once.
TEST_P(LocalEngineTest, WhatWasAcknowledgedSurvivesKill) {
  engine_.reset();
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto engine = Open(dir_);
    if (!engine.ok()) _exit(1);
    (*engine)->coordinator().Claim("a", 0, [](const auto&) {});
    for (std::int64_t seq = 1; seq <= 1'000'000; ++seq) {
      (*engine)->commit_log().Append(
          {"a", 1, {MakeEvent("a", 7, seq)}}, [&](const absl::StatusOr<Committed>& committed) {
            if (!committed.ok()) _exit(2);
            const std::int64_t acknowledged = committed->cursors[0].seq;
            (void)!write(pipe_fds[1], &acknowledged, sizeof(acknowledged));
          });
      if (seq % 64 == 0) usleep(100);  // keeps the queue, and so the test's memory, small
    }
    _exit(0);
  }
  close(pipe_fds[1]);
  std::int64_t acknowledged = 0;
  while (acknowledged < 1000 &&
         read(pipe_fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  ASSERT_EQ(kill(child, SIGKILL), 0);
  while (read(pipe_fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  close(pipe_fds[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;

  Reopen();
  ASSERT_GE(acknowledged, 1000);
  const std::vector<Cursor> cursors = Cursors("a");
  ASSERT_EQ(cursors.size(), 1U);
  EXPECT_GE(cursors[0].seq, acknowledged);
  const std::vector<std::string> events = Events();
  ASSERT_EQ(events.size(), static_cast<size_t>(cursors[0].seq));
  for (size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i], "a 7/" + std::to_string(i + 1));
  }
}

}  // namespace
}  // namespace procctl::controller
