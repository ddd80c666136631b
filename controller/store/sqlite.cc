#include "controller/store/sqlite.h"

#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr int kBusyTimeoutMs = 5000;
constexpr size_t kMostStatements = 128;
// A look at the clock each so many steps of SQLite's machine: a few milliseconds apart.
constexpr int kStepsBetweenChecks = 20'000;

int StopIfLate(void* deadline) {
  const auto when = *static_cast<const std::chrono::steady_clock::time_point*>(deadline);
  return std::chrono::steady_clock::now() > when ? 1 : 0;
}

}  // namespace

absl::Status SqliteError(sqlite3* db, int code, std::string_view doing) {
  const std::string message =
      fmt::format("{}: {} (SQLite {})", doing, db != nullptr ? sqlite3_errmsg(db) : "out of memory",
                  db != nullptr ? sqlite3_extended_errcode(db) : code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_INTERRUPT:
      return absl::DeadlineExceededError(message);
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(message);
    default:
      return absl::InternalError(message);
  }
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

// Binding fails only for a wrong index or lack of memory; Step reports either.
Query& Query::Bind(std::int64_t value) {
  sqlite3_bind_int64(statement_, ++parameters_, value);
  return *this;
}

Query& Query::Bind(std::string_view text) {
  sqlite3_bind_text64(statement_, ++parameters_, text.data() != nullptr ? text.data() : "",
                      text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Query& Query::BindInPlace(std::string_view text) {
  sqlite3_bind_text64(statement_, ++parameters_, text.data() != nullptr ? text.data() : "",
                      text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Query& Query::BindBlobInPlace(std::string_view bytes) {
  sqlite3_bind_blob64(statement_, ++parameters_, bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

Query& Query::BindBlob(std::string_view bytes) {
  sqlite3_bind_blob64(statement_, ++parameters_, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

Query& Query::BindNull() {
  sqlite3_bind_null(statement_, ++parameters_);
  return *this;
}

absl::StatusOr<bool> Query::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, code, sqlite3_sql(statement_));
}

absl::Status Query::Run() {
  absl::StatusOr<bool> row = Step();
  return row.ok() ? absl::OkStatus() : row.status();
}

std::string_view Query::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr
             ? std::string_view()
             : std::string_view(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

Database::Database(sqlite3* db)
    : db_(db),
      deadline_(std::make_unique<std::chrono::steady_clock::time_point>(
          std::chrono::steady_clock::time_point::max())) {
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  sqlite3_progress_handler(db, kStepsBetweenChecks, StopIfLate, deadline_.get());
}

absl::StatusOr<Database> Database::Open(const std::string& path, Access access) {
  const int flags = access == Access::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                 : SQLITE_OPEN_READONLY;
  sqlite3* db = nullptr;
  // One thread at a time, so SQLite's own mutexes are off.
  const int code = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    absl::Status status = SqliteError(db, code, fmt::format("opening {}", path));
    sqlite3_close_v2(db);
    return status;
  }
  return Database(db);
}

absl::Status Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_.get(), code, sql);
}

absl::StatusOr<std::string> Database::Ask(const std::string& sql) {
  auto query = Prepare(sql);
  if (!query.ok()) return query.status();
  auto row = query->Step();
  if (!row.ok()) return row.status();
  return *row ? std::string(query->Text(0)) : std::string();
}

void Database::TrimStatements() {
  if (statements_.size() > kMostStatements) statements_.clear();
}

absl::StatusOr<Query> Database::Prepare(const std::string& sql) {
  auto& kept = statements_[sql];
  if (kept == nullptr) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_.get(), sql.c_str(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      statements_.erase(sql);
      return SqliteError(db_.get(), code, sql);
    }
    kept.reset(statement);
  }
  return Query(db_.get(), kept.get());
}

absl::StatusOr<Query> Database::Prepare(const char* sql, sqlite3_stmt** handle) {
  if (*handle == nullptr) {
    auto prepared = Prepare(std::string(sql));
    if (!prepared.ok()) return prepared;
    *handle = statements_[sql].get();
  }
  return Query(db_.get(), *handle);
}

}  // namespace procctl::controller
