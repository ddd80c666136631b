// Copies of a database: made beside a running engine, installed again, and what tells them apart.
#include "controller/store/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "controller/core/event_gap.h"
#include "controller/store/restore.h"
#include "controller/store/schema.h"
#include "proto/support/filter_schemas.h"
#include "tests/controller/store/local_kind.h"

namespace procctl::controller {
namespace {

std::vector<v1::Event> Range(std::int64_t epoch, std::int64_t first, std::int64_t last) {
  std::vector<v1::Event> events;
  for (std::int64_t seq = first; seq <= last; ++seq) {
    events.push_back(MakeEvent("a", epoch, seq));
  }
  return events;
}

class BackupTest : public EngineConformance {
 protected:
  std::string Folder() const { return std::filesystem::path(dir_).parent_path().string(); }
  std::string File(const std::string& name) const { return Folder() + "/" + name; }
  std::vector<std::string> Names(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  StoreIdentity Identity() { return engine_->coordinator().identity(); }
};
PROCCTL_LOCAL_SUITE(BackupTest);

TEST_P(BackupTest, ACopyMadeWhileTheControllerWritesIsOfOneMoment) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range(7, 1, 200)).ok());
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::int64_t seq = 201; !done; ++seq) {
      EXPECT_TRUE(Append("a", session, Range(7, seq, seq)).ok());
    }
  });
  for (int i = 0; i < 3; ++i) {
    const auto facts = BackUp(dir_, File("copy" + std::to_string(i)));
    EXPECT_TRUE(facts.ok()) << facts.status();
    if (!facts.ok()) continue;
    EXPECT_EQ(facts->history_id, Identity().history_id);
    EXPECT_EQ(facts->generation, Identity().generation);
    EXPECT_GE(facts->last_position, 200);
    EXPECT_GT(facts->bytes, 0);
  }
  done = true;
  writer.join();
  for (int i = 0; i < 3; ++i) {
    const std::string file = File("copy" + std::to_string(i));
    struct stat about = {};
    ASSERT_EQ(stat(file.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600U);
    auto copy = Database::Open(file, Database::Access::kReadOnly);
    ASSERT_TRUE(copy.ok()) << copy.status();
    EXPECT_EQ(*copy->Ask("SELECT (SELECT seq FROM cursors WHERE origin = 'a') = count(*) FROM "
                         "events WHERE origin = 'a'"),
              "1");
  }
  for (const std::string& name : Names(Folder())) {
    EXPECT_EQ(name.find("partial"), std::string::npos) << name;
    EXPECT_EQ(name.find("-wal"), std::string::npos) << name;
  }
}

TEST_P(BackupTest, NothingIsOverwrittenAndWhatIsMissingIsTold) {
  { std::ofstream(File("copy")) << "precious"; }
  EXPECT_TRUE(absl::IsAlreadyExists(BackUp(dir_, File("copy")).status()));
  EXPECT_EQ(std::filesystem::file_size(File("copy")), 8U);
  EXPECT_TRUE(absl::IsNotFound(BackUp(File("nowhere"), File("other")).status()));
  EXPECT_FALSE(BackUp(dir_, File("no/such/folder/copy")).ok());
  EXPECT_FALSE(std::filesystem::exists(File("other")));
}

TEST_P(BackupTest, ARestoredCopyIsAnotherHistoryAndWhatItLacksBecomesGaps) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range(7, 1, 10)).ok());
  ASSERT_TRUE(BackUp(dir_, File("copy")).ok());
  ASSERT_TRUE(Append("a", session, Range(7, 11, 50)).ok());
  const StoreIdentity before = Identity();
  EXPECT_TRUE(absl::IsFailedPrecondition(Restore(File("copy"), dir_).status()))
      << "while a controller holds the folder";
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 50}}));

  engine_.reset();
  const auto facts = Restore(File("copy"), dir_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->last_position, 10);
  EXPECT_NE(facts->history_id, before.history_id);
  Reopen();
  EXPECT_EQ(Identity().history_id, facts->history_id);
  EXPECT_GT(Identity().generation, before.generation) << "no number of our own is used twice";
  EXPECT_EQ(Cursors("a"), (std::vector<Cursor>{{7, 10}}));
  const auto cursors = AcceptGaps("a", Claim("a", session), {{7, 31, 50}});
  ASSERT_TRUE(cursors.ok()) << cursors.status();
  EXPECT_EQ(*cursors, (std::vector<Cursor>{{7, 30}}));
  EventQuery query;
  query.filter = *Filter::Parse("kind=gap", EventFilterSchema());
  const auto gaps = engine_->history().Query(query);
  ASSERT_TRUE(gaps.ok()) << gaps.status();
  ASSERT_EQ(gaps->events.size(), 1U);
  EXPECT_EQ(GapOf(gaps->events[0].event), (EventGap{"a", 7, 11, 30}));

  // What was there before is whole.
  auto aside = Database::Open(facts->moved_to, Database::Access::kReadOnly);
  ASSERT_TRUE(aside.ok()) << aside.status();
  EXPECT_EQ(*aside->Ask("SELECT count(*) FROM events WHERE origin = 'a'"), "50");
  EXPECT_EQ(*aside->Ask("PRAGMA integrity_check"), "ok");
}

TEST_P(BackupTest, WhatRootRestoresBelongsToWhomTheFolderBelongsTo) {
  if (geteuid() != 0) GTEST_SKIP() << "this is not root";
  constexpr uid_t kOther = 65534;
  ASSERT_TRUE(BackUp(dir_, File("copy")).ok());
  engine_.reset();
  const auto give = [&](uid_t user) {
    ASSERT_EQ(chown(dir_.c_str(), user, user), 0);
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      ASSERT_EQ(chown(entry.path().c_str(), user, user), 0);
    }
  };
  give(kOther);
  ASSERT_EQ(unlink((dir_ + "/lock").c_str()), 0);
  const auto facts = Restore(File("copy"), dir_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
    struct stat about = {};
    ASSERT_EQ(stat(entry.path().c_str(), &about), 0);
    EXPECT_EQ(about.st_uid, kOther) << entry.path();
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenLocalEngine(dir_, "test").status()))
      << "a controller runs as its owner only";
  give(geteuid());
}

TEST_P(BackupTest, OrdersThatRanAtTheTimeOfTheBackupDoNotGoOn) {
  OrderRequest request;
  request.id = "r";
  ASSERT_TRUE(Record(request).ok());
  engine_.reset();
  {
    auto database = OpenForWriting(dir_ + "/" + kDatabaseFile);
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE(database->Execute("UPDATE requests SET state = 1").ok());
  }
  ASSERT_TRUE(BackUp(dir_, File("copy")).ok());
  const auto facts = Restore(File("copy"), dir_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->orders_ended, 1);
  auto database = OpenForReading(dir_ + "/" + kDatabaseFile);
  ASSERT_TRUE(database.ok()) << database.status();
  EXPECT_EQ(*database->Ask("SELECT state FROM requests"), "4");
  EXPECT_NE(database->Ask("SELECT state_message FROM requests")->find("restored"),
            std::string::npos);
}

TEST_P(BackupTest, WhatIsNoSoundBackupIsRefusedAndTheDatabaseStaysAsItWas) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range(7, 1, 3000)).ok());
  ASSERT_TRUE(BackUp(dir_, File("damaged")).ok());
  ASSERT_TRUE(BackUp(dir_, File("newer")).ok());
  {
    std::fstream file(File("damaged"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100 * 4096);
    file << std::string(20 * 4096, '\x5a');
    std::ofstream(File("text")) << std::string(10'000, 'x');
    std::ofstream(File("empty")) << "";
    auto newer = Database::Open(File("newer"), Database::Access::kReadWrite);
    ASSERT_TRUE(newer.ok());
    ASSERT_TRUE(newer->Execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'").ok());
    auto other = Database::Open(File("other"), Database::Access::kReadWrite);
    ASSERT_TRUE(other.ok());
    ASSERT_TRUE(other->Execute("CREATE TABLE t(x)").ok());
  }
  engine_.reset();
  const std::vector<std::string> before = Names(dir_);
  for (const char* name : {"damaged", "text", "empty", "other"}) {
    const auto restored = Restore(File(name), dir_);
    EXPECT_TRUE(absl::IsDataLoss(restored.status())) << name << ": " << restored.status();
  }
  const auto newer = Restore(File("newer"), dir_);
  EXPECT_TRUE(absl::IsFailedPrecondition(newer.status())) << newer.status();
  EXPECT_TRUE(absl::IsNotFound(Restore(File("missing"), dir_).status()));
  std::vector<std::string> after = Names(dir_);
  for (const std::string& name : after) {
    EXPECT_EQ(name.find("restoring"), std::string::npos) << name;
    EXPECT_EQ(name.find("replaced"), std::string::npos) << name;
  }
  Reopen();
  EXPECT_EQ(Events().size(), 3000U);
}

TEST_P(BackupTest, ADamagedDatabaseIsRefusedWithWhatToDoAndCanBeReplaced) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Append("a", session, Range(7, 1, 3000)).ok());
  ASSERT_TRUE(BackUp(dir_, File("copy")).ok());
  engine_.reset();
  const std::string path = dir_ + "/" + kDatabaseFile;
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100 * 4096);
    file << std::string(20 * 4096, '\x5a');
  }
  const auto refused = OpenLocalEngine(dir_, "test");
  ASSERT_TRUE(absl::IsDataLoss(refused.status())) << refused.status();
  const std::string text(refused.status().message());
  EXPECT_NE(text.find("procctl-controller restore"), std::string::npos) << text;
  EXPECT_NE(text.find("-wal"), std::string::npos) << text;
  HistoryLimits unchecked;
  unchecked.check = std::chrono::nanoseconds(0);
  EXPECT_TRUE(OpenLocalEngine(dir_, "test", unchecked).ok()) << "0: not checked";
  const auto facts = Restore(File("copy"), dir_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_TRUE(std::filesystem::exists(facts->moved_to));
  Reopen();
  EXPECT_EQ(Events().size(), 3000U);
}

TEST_P(BackupTest, TwoControllersOnCopiesDifferInTheirRunAndAnOldCopyIsBehind) {
  Claim("a");
  engine_.reset();
  const std::string other_dir = Folder() + "/other";
  std::filesystem::copy(dir_, other_dir, std::filesystem::copy_options::recursive);
  {
    auto other = OpenLocalEngine(other_dir, "test");
    ASSERT_TRUE(other.ok()) << other.status();
    Reopen();
    const StoreIdentity theirs = (*other)->coordinator().identity();
    EXPECT_EQ(Identity().history_id, theirs.history_id);
    EXPECT_EQ(Identity().generation, theirs.generation);
    EXPECT_NE(Identity().run, theirs.run) << "all that tells them apart";
  }
  Reopen();
  Reopen();
  auto old = OpenLocalEngine(other_dir, "test");
  ASSERT_TRUE(old.ok()) << old.status();
  const StoreIdentity behind = (*old)->coordinator().identity();
  EXPECT_EQ(behind.history_id, Identity().history_id);
  EXPECT_LT(behind.generation, Identity().generation);
}

}  // namespace
}  // namespace procctl::controller
