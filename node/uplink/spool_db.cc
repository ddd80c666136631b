#include "node/uplink/spool_db.h"

#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include "spdlog/fmt/chrono.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {
namespace {

constexpr std::int64_t kSchemaVersion = 1;
constexpr std::int64_t kMaxOrders = 10'000;
constexpr int kBusyMs = 1'500;

std::string DatabasePath(const SpoolOptions& options) { return options.state_dir + "/spool.db"; }

absl::StatusOr<std::int64_t> ReadOne(sqlite3* db, const char* sql) {
  absl::StatusOr<Statement> statement = Statement::Prepare(db, sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Int(0) : 0;
}

}  // namespace

void AddTo(const SpooledEvent& event, HeldSpans* spans) {
  const std::int64_t first = event.first_seq > 0 ? event.first_seq : event.position.seq;
  const auto [span, is_new] = spans->try_emplace(event.position.epoch);
  if (is_new) span->second.first = first;
  span->second.last = std::max(span->second.last, event.position.seq);
}

absl::StatusOr<v1::Event> SpoolDb::ParseBody(EventPosition position, std::string_view body) {
  v1::Event event;
  if (!event.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      PositionOf(event) != position) {
    return absl::DataLossError(
        fmt::format("spool: the body of event {}:{} is damaged", position.epoch, position.seq));
  }
  return event;
}

absl::StatusOr<std::unique_ptr<SpoolDb>> SpoolDb::Open(const SpoolOptions& options,
                                                       SpoolContent* content) {
  std::unique_ptr<SpoolDb> spool(new SpoolDb(options));
  const std::string path = DatabasePath(options);
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  spool->db_.reset(db);
  if (code != SQLITE_OK) return SqliteError(db, code, "open " + path);
  (void)sqlite3_extended_result_codes(db, 1);
  // An uplink whose guardian was restarted may still be writing its last events.
  (void)sqlite3_busy_timeout(db, kBusyMs);
  // Exclusive: two uplinks on one spool would each believe in its own numbers. It also needs no
  // shared-memory file, and so nothing that a full disk could turn into SIGBUS. None of these
  // writes to a database that is in order, so a full disk can still be read.
  for (const char* pragma :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA secure_delete=OFF", "PRAGMA journal_size_limit=16777216", "PRAGMA mmap_size=0",
        // No files outside the spool's own folder, which may be on a disk that hangs.
        "PRAGMA temp_store=MEMORY"}) {
    if (absl::Status status = Execute(db, pragma); !status.ok()) return status;
  }
  if (absl::Status status = spool->MakeSchema(); !status.ok()) return status;
  if (absl::Status status = spool->Prepare(); !status.ok()) return status;
  if (absl::Status status = spool->Load(content); !status.ok()) return status;
  return spool;
}

absl::StatusOr<std::string> SpoolDb::SetAside(const SpoolOptions& options) {
  const std::string path = DatabasePath(options);
  const std::string aside =
      fmt::format("{}.corrupt-{:%Y%m%dT%H%M%SZ}", path, fmt::gmtime(std::time(nullptr)));
  // The log first: a database without its log is older, a log without its database is nothing.
  for (const char* suffix : {"-wal", "-shm", ""}) {
    if (rename((path + suffix).c_str(), (aside + suffix).c_str()) != 0 && errno != ENOENT) {
      return absl::UnavailableError(
          fmt::format("rename {}{} to {}: {}", path, suffix, aside, std::strerror(errno)));
    }
  }
  return aside;
}

absl::Status SpoolDb::MakeSchema() {
  const absl::StatusOr<std::int64_t> version = ReadOne(db_.get(), "PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version == kSchemaVersion) return absl::OkStatus();
  if (*version != 0) {
    return absl::DataLossError(
        fmt::format("spool: schema version {} is not {}; it was made by another version of procctl",
                    *version, kSchemaVersion));
  }
  absl::Status status = Execute(db_.get(), R"(
      BEGIN IMMEDIATE;
      CREATE TABLE events(epoch INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
                          UNIQUE(epoch, seq));
      CREATE TABLE orders(n INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL UNIQUE,
                          guardian_epoch INTEGER NOT NULL, verdict_seen INTEGER NOT NULL);
      CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
      PRAGMA user_version=1;)");
  if (status.ok()) {
    absl::StatusOr<Statement> owner =
        Statement::Prepare(db_.get(), "INSERT INTO meta VALUES('node_id', ?1)");
    status = owner.ok() ? owner->BindText(1, options_.origin.node_id).Run() : owner.status();
  }
  if (status.ok()) status = Execute(db_.get(), "COMMIT");
  if (!status.ok() && sqlite3_get_autocommit(db_.get()) == 0) {
    (void)Execute(db_.get(), "ROLLBACK");  // The first failure is the one to tell.
  }
  return status;
}

absl::Status SpoolDb::Prepare() {
  sql_ = std::make_unique<Statements>();
  const std::pair<std::optional<Statement>*, const char*> all[] = {
      {&sql_->insert_event, "INSERT OR IGNORE INTO events(epoch, seq, body) VALUES(?1, ?2, ?3)"},
      {&sql_->delete_events,
       "DELETE FROM events WHERE epoch = ?1 AND seq <= ?2 RETURNING length(body)"},
      {&sql_->read_events,
       "SELECT epoch, seq, body FROM events WHERE (epoch, seq) > (?1, ?2) "
       "ORDER BY epoch, seq LIMIT ?3"},
      {&sql_->nth_event,
       "SELECT seq, body FROM events WHERE epoch = ?1 ORDER BY seq LIMIT 1 OFFSET ?2"},
      {&sql_->sizes, "SELECT length(body) FROM events WHERE epoch = ?1 ORDER BY seq"},
      {&sql_->insert_order,
       "INSERT OR IGNORE INTO orders(order_id, guardian_epoch, verdict_seen) VALUES(?1, ?2, ?3)"},
      {&sql_->trim_orders, "DELETE FROM orders WHERE n <= (SELECT max(n) FROM orders) - ?1"},
      {&sql_->decide_order, "UPDATE orders SET verdict_seen = 1 WHERE order_id = ?1"},
      {&sql_->get_meta, "SELECT value FROM meta WHERE key = ?1"},
      {&sql_->set_meta, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)"},
      {&sql_->delete_meta, "DELETE FROM meta WHERE key = ?1"},
  };
  for (const auto& [slot, text] : all) {
    absl::StatusOr<Statement> statement = Statement::Prepare(db_.get(), text);
    if (!statement.ok()) return statement.status();
    *slot = *std::move(statement);
  }
  return absl::OkStatus();
}

absl::Status SpoolDb::Load(SpoolContent* content) {
  Statement& get = *sql_->get_meta;
  const absl::StatusOr<bool> owner = get.BindText(1, "node_id").Step();
  if (!owner.ok()) return owner.status();
  const std::string node_id(*owner ? get.Bytes(0) : "");
  get.Reset();
  if (node_id != options_.origin.node_id) {
    return absl::DataLossError(fmt::format("spool: it belongs to node \"{}\", this is node \"{}\"",
                                           node_id, options_.origin.node_id));
  }

  if (absl::Status status = LoadEvents(content); !status.ok()) return status;
  if (absl::Status status = LoadBytes(); !status.ok()) return status;
  absl::StatusOr<Fence> fence = LoadFence();
  if (!fence.ok()) return fence.status();
  content->fence = *std::move(fence);
  const absl::StatusOr<std::int64_t> epoch = GetMeta("spooled_epoch");
  if (!epoch.ok()) return epoch.status();
  const absl::StatusOr<std::int64_t> seq = GetMeta("spooled_seq");
  if (!seq.ok()) return seq.status();
  if (std::max(*epoch, content->newest.epoch) > options_.guardian_epoch) {
    return absl::DataLossError(fmt::format(
        "spool: it holds epoch {} of a guardian that is now in epoch {}: the guardian's state "
        "folder was lost or replaced",
        std::max(*epoch, content->newest.epoch), options_.guardian_epoch));
  }
  content->spooled_seq = *epoch == options_.guardian_epoch ? *seq : 0;

  absl::StatusOr<Statement> orders = Statement::Prepare(
      db_.get(), "SELECT order_id, guardian_epoch, verdict_seen FROM orders ORDER BY n");
  if (!orders.ok()) return orders.status();
  for (;;) {
    const absl::StatusOr<bool> row = orders->Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    content->orders.push_back({std::string(orders->Bytes(0)), orders->Int(1), orders->Int(2) != 0});
  }
  return absl::OkStatus();
}

absl::Status SpoolDb::LoadEvents(SpoolContent* content) {
  absl::StatusOr<Statement> count = Statement::Prepare(
      db_.get(), "SELECT epoch, count(*), min(seq), max(seq) FROM events GROUP BY epoch");
  if (!count.ok()) return count.status();
  for (;;) {
    const absl::StatusOr<bool> row = count->Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    rows_by_epoch_[count->Int(0)] = count->Int(1);
    held_[count->Int(0)] = {count->Int(2), count->Int(3)};
    content->newest = {count->Int(0), count->Int(3)};
  }
  for (auto& [epoch, span] : held_) {
    const absl::StatusOr<std::int64_t> first = FirstHeld(epoch);
    if (!first.ok()) return first.status();
    span.first = *first;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SpoolDb::FirstHeld(std::int64_t epoch) {
  Statement& nth = *sql_->nth_event;
  const absl::StatusOr<bool> row = nth.Bind(1, epoch).Bind(2, 0).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError("spool: fewer events than were counted");
  const absl::StatusOr<v1::Event> oldest = ParseBody({epoch, nth.Int(0)}, nth.Bytes(1));
  nth.Reset();
  if (!oldest.ok()) return oldest.status();
  return FirstSeq(*oldest);
}

std::int64_t SpoolDb::rows() const {
  std::int64_t rows = 0;
  for (const auto& [epoch, count] : rows_by_epoch_) rows += count;
  return rows;
}

absl::StatusOr<std::vector<v1::Event>> SpoolDb::Apply(const SpoolBatch& batch) {
  // Intents alone need no fsync: an intent that a power cut takes belongs to a boot that is over,
  // and no process of a later boot matches the order's incarnation. A crash of the uplink alone
  // loses nothing that was committed.
  const bool full = !batch.events.empty() || batch.fence.has_value();
  if (full != full_sync_) {
    if (absl::Status status =
            Execute(db_.get(), full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
        !status.ok()) {
      return status;
    }
    full_sync_ = full;
  }
  const std::map<std::int64_t, std::int64_t> rows_before = rows_by_epoch_;
  const HeldSpans held_before = held_;
  const std::int64_t bytes_before = bytes_;
  std::vector<v1::Event> folded;
  absl::Status status = Execute(db_.get(), "BEGIN IMMEDIATE");
  if (status.ok()) status = Write(batch, &folded);
  if (status.ok()) status = Execute(db_.get(), "COMMIT");
  if (status.ok()) return folded;
  rows_by_epoch_ = rows_before;
  held_ = held_before;
  bytes_ = bytes_before;
  if (sqlite3_get_autocommit(db_.get()) == 0) {
    (void)Execute(db_.get(), "ROLLBACK");  // The first failure is the one to tell.
  }
  return status;
}

absl::Status SpoolDb::Write(const SpoolBatch& batch, std::vector<v1::Event>* folded) {
  for (const OrderRecord& order : batch.intents) {
    const absl::Status status = sql_->insert_order->BindText(1, order.order_id)
                                    .Bind(2, order.guardian_epoch)
                                    .Bind(3, order.verdict_seen ? 1 : 0)
                                    .Run();
    if (!status.ok()) return status;
  }
  if (!batch.intents.empty()) {
    if (absl::Status status = sql_->trim_orders->Bind(1, kMaxOrders).Run(); !status.ok()) {
      return status;
    }
  }
  std::int64_t spooled_seq = batch.covered_seq;
  for (const SpooledEvent& event : batch.events) {
    if (absl::Status status = Insert(event); !status.ok()) return status;
    if (event.position.epoch == options_.guardian_epoch) {
      spooled_seq = std::max(spooled_seq, event.position.seq);
    }
    if (event.decided_order.empty()) continue;
    if (absl::Status decided = sql_->decide_order->BindText(1, event.decided_order).Run();
        !decided.ok()) {
      return decided;
    }
  }
  for (const std::string& order_id : batch.decided_orders) {
    if (absl::Status status = sql_->decide_order->BindText(1, order_id).Run(); !status.ok()) {
      return status;
    }
  }
  if (spooled_seq > 0) {
    if (absl::Status status = SetMeta("spooled_epoch", options_.guardian_epoch); !status.ok()) {
      return status;
    }
    if (absl::Status status = SetMeta("spooled_seq", spooled_seq); !status.ok()) return status;
  }
  for (const EventPosition upto : batch.acknowledged) {
    if (absl::Status status = Delete(upto); !status.ok()) return status;
  }
  if (batch.fence.has_value()) {
    if (absl::Status status = WriteFence(*batch.fence); !status.ok()) return status;
  }
  if (absl::Status status = FoldOldest(folded); !status.ok()) return status;
  return batch.events.empty() && batch.acknowledged.empty() ? absl::OkStatus() : WriteBytes();
}

absl::Status SpoolDb::Insert(const SpooledEvent& event) {
  const absl::Status status = sql_->insert_event->Bind(1, event.position.epoch)
                                  .Bind(2, event.position.seq)
                                  .BindBlob(3, event.body)
                                  .Run();
  if (!status.ok()) return status;
  // It was there: sent again by a guardian that did not hear that it was spooled.
  if (sqlite3_changes(db_.get()) == 0) return absl::OkStatus();
  ++rows_by_epoch_[event.position.epoch];
  bytes_ += static_cast<std::int64_t>(event.body.size());
  AddTo(event, &held_);
  return absl::OkStatus();
}

absl::Status SpoolDb::Delete(EventPosition upto) {
  Statement& deleted = *sql_->delete_events;
  deleted.Bind(1, upto.epoch).Bind(2, upto.seq);
  std::int64_t rows = 0;
  for (;; ++rows) {
    const absl::StatusOr<bool> row = deleted.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    bytes_ -= deleted.Int(0);
  }
  deleted.Reset();
  const auto left = rows_by_epoch_.find(upto.epoch);
  if (rows == 0 || left == rows_by_epoch_.end()) return absl::OkStatus();
  left->second -= rows;
  if (left->second > 0) {
    const absl::StatusOr<std::int64_t> first = FirstHeld(upto.epoch);
    if (!first.ok()) return first.status();
    held_[upto.epoch].first = *first;
    return absl::OkStatus();
  }
  rows_by_epoch_.erase(left);
  held_.erase(upto.epoch);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Event>> SpoolDb::Read(EventPosition after, std::size_t limit,
                                                     std::size_t limit_bytes) {
  std::vector<v1::Event> events;
  std::size_t bytes = 0;
  Statement& read = *sql_->read_events;
  read.Bind(1, after.epoch).Bind(2, after.seq).Bind(3, static_cast<std::int64_t>(limit));
  while (bytes < limit_bytes) {
    const absl::StatusOr<bool> row = read.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    bytes += read.Bytes(2).size();
    absl::StatusOr<v1::Event> event = ParseBody({read.Int(0), read.Int(1)}, read.Bytes(2));
    if (!event.ok()) {
      read.Reset();
      return event.status();
    }
    events.push_back(*std::move(event));
  }
  read.Reset();
  return events;
}

absl::Status SpoolDb::SetMeta(std::string_view key, std::int64_t value) {
  return sql_->set_meta->BindText(1, key).Bind(2, value).Run();
}

absl::StatusOr<std::int64_t> SpoolDb::GetMeta(std::string_view key) {
  const absl::StatusOr<bool> row = sql_->get_meta->BindText(1, key).Step();
  if (!row.ok()) return row.status();
  const std::int64_t value = *row ? sql_->get_meta->Int(0) : 0;
  sql_->get_meta->Reset();
  return value;
}

}  // namespace procctl::uplink
