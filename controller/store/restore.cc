#include "controller/store/restore.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

#include "controller/store/backup.h"
#include "controller/store/durable_file.h"
#include "controller/store/integrity.h"
#include "controller/store/schema.h"
#include "controller/store/sqlite.h"
#include "controller/store/state_dir.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// So many starts may have happened since the backup, at most, for numbers of the controller's own
// events not to be used twice where the present database cannot tell.
constexpr std::int64_t kGenerationsAhead = 1'000'000;

absl::StatusOr<std::int64_t> Generation(Database* database) {
  auto text = database->Ask("SELECT value FROM meta WHERE key = 'own_epoch'");
  if (!text.ok()) return text.status();
  std::int64_t number = 0;
  std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

absl::Status NoBackup(const std::string& file, const absl::Status& why) {
  return absl::Status(why.code(),
                      fmt::format("{} cannot be restored: {}", file, std::string(why.message())));
}

absl::Status CheckBackup(const std::string& path) {
  auto database = Database::Open(path, Database::Access::kReadOnly);
  if (!database.ok()) return database.status();
  // OpenForWriting would make a database of an empty file.
  auto tables =
      database->Ask("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'events')");
  if (!tables.ok()) return tables.status();
  if (*tables != "2") return absl::DataLossError("it is no database of a controller");
  // Its contents were checked when it was made; here the controller is down meanwhile.
  return QuickCheck(&*database, kWithoutLimit).status();
}

// The copy becomes a history of its own, with what it says of running orders put right.
absl::Status Renew(const std::string& path, std::int64_t present_generation, RestoreFacts* facts) {
  if (absl::Status sound = CheckBackup(path); !sound.ok()) return sound;
  auto database = OpenForWriting(path);
  if (!database.ok()) return database.status();
  auto generation = Generation(&*database);
  if (!generation.ok()) return generation.status();
  for (const std::string& sql :
       {std::string("BEGIN IMMEDIATE"),
        fmt::format("UPDATE meta SET value = {} WHERE key = 'own_epoch'",
                    std::max(*generation + kGenerationsAhead, present_generation)),
        std::string("UPDATE requests SET state = 4, state_message = 'the database was restored "
                    "from a backup: what this order has done since is not known here' "
                    "WHERE state < 4")}) {
    if (absl::Status done = database->Execute(sql); !done.ok()) return done;
  }
  facts->orders_ended = database->Changes();
  if (absl::Status done = RenewHistoryId(&*database); !done.ok()) return done;
  if (absl::Status done = database->Execute("COMMIT"); !done.ok()) return done;
  auto history_id = database->Ask("SELECT value FROM identity WHERE key = 'history_id'");
  if (!history_id.ok()) return history_id.status();
  facts->history_id = *std::move(history_id);
  auto last = database->Ask("SELECT ifnull(max(position), 0) FROM events");
  if (!last.ok()) return last.status();
  std::from_chars(last->data(), last->data() + last->size(), facts->last_position);
  // One file again, to be renamed as one.
  return UseNoLog(&*database);
}

// What the present database has in its log is moved into it, as far as it can be read; 0: it
// cannot. With no log left, one rename puts the copy in its place.
std::int64_t FoldPresent(const std::string& path) {
  auto present = Database::Open(path, Database::Access::kReadWrite);
  if (!present.ok()) return 0;
  (void)present->Execute("PRAGMA wal_checkpoint(TRUNCATE)");
  const auto generation = Generation(&*present);
  return generation.ok() ? *generation : 0;
}

// A name in the same folder that nothing has.
std::string AsideName(const std::string& path) {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string name = fmt::format("{}.replaced-{:%Y%m%dT%H%M%SZ}", path, fmt::gmtime(now));
  std::string free = name;
  for (int i = 2; access(free.c_str(), F_OK) == 0; ++i) free = fmt::format("{}.{}", name, i);
  return free;
}

// A log that is left belongs to a database that could not be opened: it goes with it, or it would
// be taken for the copy's.
absl::Status MoveLogsAside(const std::string& path, const std::string& aside) {
  for (const char* ending : {"-wal", "-shm", "-journal"}) {
    if (rename((path + ending).c_str(), (aside + ending).c_str()) != 0 && errno != ENOENT) {
      return absl::FailedPreconditionError(
          fmt::format("cannot move {}{} aside: {}", path, ending, strerror(errno)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RestoreFacts> Restore(const std::string& file, const std::string& state_dir) {
  if (access(file.c_str(), F_OK) != 0) {
    return absl::NotFoundError(fmt::format("{}: {}", file, strerror(errno)));
  }
  auto dir = StateDir::Open(state_dir, StateDir::Opener::kRootToo);
  if (!dir.ok()) return dir.status();
  const std::string path = dir->File(kDatabaseFile);
  auto copy = NewFile::Make(path, "restoring");
  if (!copy.ok()) return copy.status();
  if (absl::Status given = dir->GiveToOwner(copy->path()); !given.ok()) return given;
  if (absl::Status copied = CopyDatabase(file, copy->path()); !copied.ok()) {
    return NoBackup(file, copied);
  }
  RestoreFacts facts;
  const bool present = access(path.c_str(), F_OK) == 0;
  if (absl::Status renewed = Renew(copy->path(), present ? FoldPresent(path) : 0, &facts);
      !renewed.ok()) {
    return NoBackup(file, renewed);
  }
  const std::string aside = AsideName(path);
  if (present) {
    // A second name first, so that there is a database under the first at every moment.
    if (link(path.c_str(), aside.c_str()) != 0) {
      return absl::FailedPreconditionError(
          fmt::format("cannot keep {} as {}: {}", path, aside, strerror(errno)));
    }
    facts.moved_to = aside;
  }
  if (absl::Status moved = MoveLogsAside(path, aside); !moved.ok()) return moved;
  if (absl::Status replaced = copy->Replace(path); !replaced.ok()) return replaced;
  return facts;
}

}  // namespace procctl::controller
