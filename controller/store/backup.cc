#include "controller/store/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <utility>

#include "controller/store/durable_file.h"
#include "controller/store/integrity.h"
#include "controller/store/schema.h"
#include "controller/store/sqlite.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// 4 MiB at a time.
constexpr int kPagesPerStep = 1024;

struct Finish {
  void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
};

absl::Status CheckOwner(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) {
    return absl::NotFoundError(
        fmt::format("there is no database {}: no controller has run with this state_dir", path));
  }
  // Files that SQLite makes beside it would be this user's, and lock the controller out.
  if (geteuid() != 0 && facts.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        fmt::format("{} belongs to user {}, this is user {}; run it as that user (runuser -u, "
                    "sudo -u)",
                    path, facts.st_uid, geteuid()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> AskNumber(const char* sql, Database* database) {
  auto text = database->Ask(sql);
  if (!text.ok()) return text.status();
  std::int64_t number = 0;
  std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

absl::StatusOr<BackupFacts> ReadFacts(const std::string& path) {
  auto copy = Database::Open(path, Database::Access::kReadOnly);
  if (!copy.ok()) return copy.status();
  if (absl::Status sound = FullCheck(&*copy); !sound.ok()) return sound;
  BackupFacts facts;
  auto history_id = copy->Ask("SELECT value FROM identity WHERE key = 'history_id'");
  if (!history_id.ok()) return history_id.status();
  facts.history_id = *std::move(history_id);
  auto generation = AskNumber("SELECT value FROM meta WHERE key = 'own_epoch'", &*copy);
  if (!generation.ok()) return generation.status();
  facts.generation = *generation;
  auto last = AskNumber("SELECT ifnull(max(position), 0) FROM events", &*copy);
  if (!last.ok()) return last.status();
  facts.last_position = *last;
  struct stat file = {};
  if (stat(path.c_str(), &file) == 0) facts.bytes = file.st_size;
  return facts;
}

}  // namespace

absl::Status CopyDatabase(const std::string& from, const std::string& to) {
  auto source = Database::Open(from, Database::Access::kReadOnly);
  if (!source.ok()) return source.status();
  // An open transaction keeps the source at one moment. Without it each commit of the controller
  // would make the copy begin anew, and under load it would never end.
  for (const char* sql : {"BEGIN", "SELECT count(*) FROM sqlite_schema"}) {
    if (absl::Status begun = source->Execute(sql); !begun.ok()) return begun;
  }
  auto target = Database::Open(to, Database::Access::kReadWrite);
  if (!target.ok()) return target.status();
  // Nobody reads it before it is whole, and then it is brought to disk as a file.
  if (absl::Status set = target->Execute("PRAGMA synchronous=OFF"); !set.ok()) return set;
  {
    const std::unique_ptr<sqlite3_backup, Finish> backup(
        sqlite3_backup_init(target->handle(), "main", source->handle(), "main"));
    if (backup == nullptr) return SqliteError(target->handle(), SQLITE_ERROR, "copying " + from);
    int code = SQLITE_OK;
    while (code == SQLITE_OK) code = sqlite3_backup_step(backup.get(), kPagesPerStep);
    if (code != SQLITE_DONE) return SqliteError(target->handle(), code, "copying " + from);
  }
  // The source says that it has a write-ahead log; a copy in one file has none.
  return UseNoLog(&*target);
}

absl::StatusOr<BackupFacts> BackUp(const std::string& state_dir, const std::string& file) {
  const std::string path = state_dir + "/" + kDatabaseFile;
  if (absl::Status owned = CheckOwner(path); !owned.ok()) return owned;
  // Asked again when the copy gets its name; here so that a large copy is not made in vain.
  if (access(file.c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(
        fmt::format("{} is there already; a backup never overwrites, give another name", file));
  }
  auto copy = NewFile::Make(file, "partial");
  if (!copy.ok()) return copy.status();
  if (absl::Status copied = CopyDatabase(path, copy->path()); !copied.ok()) return copied;
  auto facts = ReadFacts(copy->path());
  if (!facts.ok()) return facts.status();
  if (absl::Status kept = copy->KeepAs(file); !kept.ok()) return kept;
  return facts;
}

}  // namespace procctl::controller
