#include "controller/store/schema.h"

#include <array>
#include <charconv>

#include "controller/store/uuid.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// Columns beside the body are what filters and pages need. order_id and kill are NULL where there
// is none, so that their indexes hold only orders and kills. This is version 1, which later
// versions build on: a new database takes the same steps as an old one.
constexpr char kTables[] = R"sql(
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
)sql";

// kSteps[i] leads from version i + 1 to the next.
constexpr std::array kSteps = {
    // requests.act: see enum Act; what was recorded before are kills.
    R"sql(
ALTER TABLE events ADD COLUMN kill INTEGER;
CREATE INDEX events_kill ON events(kill) WHERE kill IS NOT NULL;
ALTER TABLE requests ADD COLUMN act INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN hold_for_ns INTEGER;
)sql",
    // NULL where an event is about no program, so that the indexes hold only programs; what was
    // recorded before is about none.
    R"sql(
ALTER TABLE events ADD COLUMN program TEXT;
ALTER TABLE events ADD COLUMN run TEXT;
CREATE INDEX events_program ON events(program) WHERE program IS NOT NULL;
CREATE INDEX events_run ON events(run) WHERE run IS NOT NULL;
)sql",
    // events.skew_ns: NULL where it was not known. identity: history_id, as Welcome has it.
    // requests.state: see v1.OrderState; those recorded before have ended (5). pace: a v1.Pace.
    // targets.sent: given to its node's session; those recorded before are. planned: see
    // v1.PlannedOutcome.
    R"sql(
ALTER TABLE events ADD COLUMN skew_ns INTEGER;
CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
ALTER TABLE nodes ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN plan_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN pace BLOB;
ALTER TABLE requests ADD COLUMN state INTEGER NOT NULL DEFAULT 5;
ALTER TABLE requests ADD COLUMN state_message TEXT NOT NULL DEFAULT '';
CREATE INDEX requests_running ON requests(state) WHERE state < 4;
ALTER TABLE targets ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE targets ADD COLUMN batch INTEGER NOT NULL DEFAULT 1;
ALTER TABLE targets ADD COLUMN planned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE targets ADD COLUMN sent INTEGER NOT NULL DEFAULT 1;
)sql"};
static_assert(kSteps.size() + 1 == kSchemaVersion);

// The first whose database has a history_id.
constexpr int kIdentityVersion = 4;

// FULL: a commit that was acknowledged survives a power cut (WAL with NORMAL may roll it back). No
// checkpoints inside commits: the engine does them. mmap off: an I/O error must not be a SIGBUS.
// secure_delete off: Debian compiles it in, and it doubles the writes.
constexpr std::array kWriterPragmas = {
    "PRAGMA journal_mode=WAL",     "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=0", "PRAGMA secure_delete=OFF",
    "PRAGMA mmap_size=0",          "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",    "PRAGMA journal_size_limit=67108864"};

absl::Status CreateTables(Database* database) {
  for (const std::string& sql :
       {std::string("BEGIN IMMEDIATE"), std::string(kTables),
        std::string("INSERT INTO meta VALUES('schema_version', 1)"),
        std::string("INSERT INTO meta VALUES('own_epoch', 0)"), std::string("COMMIT")}) {
    if (absl::Status done = database->Execute(sql); !done.ok()) return done;
  }
  return absl::OkStatus();
}

// A step that fails takes back what came before it: the transaction ends with the connection.
absl::Status Migrate(int from, Database* database) {
  if (absl::Status begun = database->Execute("BEGIN IMMEDIATE"); !begun.ok()) return begun;
  for (int version = from; version < kSchemaVersion; ++version) {
    if (absl::Status done = database->Execute(kSteps[static_cast<size_t>(version) - 1]);
        !done.ok()) {
      return done;
    }
  }
  if (from < kIdentityVersion) {
    if (absl::Status done = RenewHistoryId(database); !done.ok()) return done;
  }
  if (absl::Status done = database->Execute(
          fmt::format("UPDATE meta SET value = {} WHERE key = 'schema_version'", kSchemaVersion));
      !done.ok()) {
    return done;
  }
  return database->Execute("COMMIT");
}

absl::Status BringUpToDate(Database* database, const std::string& path) {
  auto text = database->Ask("SELECT value FROM meta WHERE key = 'schema_version'");
  if (!text.ok()) return text.status();
  int version = 0;
  std::from_chars(text->data(), text->data() + text->size(), version);
  if (version == kSchemaVersion) return absl::OkStatus();
  if (version >= 1 && version < kSchemaVersion) return Migrate(version, database);
  return absl::FailedPreconditionError(fmt::format(
      "{} has schema version {}, this procctl-controller knows {}; start the version that "
      "made it, or use another state_dir",
      path, *text, kSchemaVersion));
}

}  // namespace

absl::StatusOr<Database> OpenForWriting(const std::string& path) {
  auto database = Database::Open(path, Database::Access::kReadWrite);
  if (!database.ok()) return database;
  // Only a new database takes this; deleted pages can then be given back in pieces.
  if (absl::Status set = database->Execute("PRAGMA auto_vacuum=INCREMENTAL"); !set.ok()) return set;
  for (const char* pragma : kWriterPragmas) {
    if (absl::Status set = database->Execute(pragma); !set.ok()) return set;
  }
  auto tables = database->Ask("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'");
  if (!tables.ok()) return tables.status();
  if (*tables == "0") {
    if (absl::Status created = CreateTables(&*database); !created.ok()) return created;
  }
  if (absl::Status current = BringUpToDate(&*database, path); !current.ok()) return current;
  return database;
}

absl::StatusOr<Database> OpenForReading(const std::string& path) {
  auto database = Database::Open(path, Database::Access::kReadOnly);
  if (!database.ok()) return database;
  if (absl::Status set = database->Execute("PRAGMA mmap_size=0"); !set.ok()) return set;
  return database;
}

absl::Status UseNoLog(Database* database) {
  auto mode = database->Ask("PRAGMA journal_mode=DELETE");
  if (!mode.ok()) return mode.status();
  return *mode == "delete" ? absl::OkStatus()
                           : absl::UnavailableError("the write-ahead log is still in use");
}

absl::StatusOr<StoreIdentity> BeginGeneration(Database* database) {
  StoreIdentity identity;
  if (absl::Status done =
          database->Execute("UPDATE meta SET value = value + 1 WHERE key = 'own_epoch'");
      !done.ok()) {
    return done;
  }
  auto text = database->Ask("SELECT value FROM meta WHERE key = 'own_epoch'");
  if (!text.ok()) return text.status();
  std::from_chars(text->data(), text->data() + text->size(), identity.generation);
  auto history_id = database->Ask("SELECT value FROM identity WHERE key = 'history_id'");
  if (!history_id.ok()) return history_id.status();
  identity.history_id = *std::move(history_id);
  identity.run = NewUuid();
  return identity;
}

absl::Status RenewHistoryId(Database* database) {
  return database->Execute(fmt::format(
      "INSERT OR REPLACE INTO identity(key, value) VALUES('history_id', '{}')", NewUuid()));
}

}  // namespace procctl::controller
