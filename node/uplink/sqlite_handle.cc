#include "node/uplink/sqlite_handle.h"

#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {

absl::Status SqliteError(sqlite3* db, int code, std::string_view what) {
  const char* reason = db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db);
  std::string message = fmt::format("{}: {} (SQLite code {})", what, reason, code);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::Status Execute(sqlite3* db, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(db, sqlite3_extended_errcode(db), sql);
  return absl::OkStatus();
}

absl::StatusOr<Statement> Statement::Prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code == SQLITE_OK) return Statement(statement);
  absl::Status error = SqliteError(db, sqlite3_extended_errcode(db), sql);
  // Our SQL is constant: if it does not fit the tables, they are not ours.
  if ((code & 0xff) == SQLITE_ERROR) return absl::DataLossError(error.message());
  return error;
}

// Binding fails only for an index out of range, which the first test of a statement shows.
Statement& Statement::Bind(int index, std::int64_t value) {
  (void)sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::BindText(int index, std::string_view text) {
  (void)sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(), SQLITE_STATIC,
                            SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(int index, std::string_view bytes) {
  (void)sqlite3_bind_blob64(statement_.get(), index, bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* db = sqlite3_db_handle(statement_.get());
  absl::Status error = SqliteError(db, sqlite3_extended_errcode(db), sqlite3_sql(statement_.get()));
  Reset();
  return error;
}

absl::Status Statement::Run() {
  for (;;) {
    const absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
  }
  Reset();
  return absl::OkStatus();
}

void Statement::Reset() {
  (void)sqlite3_reset(statement_.get());  // Repeats the error of the last Step, which was reported.
  (void)sqlite3_clear_bindings(statement_.get());
}

std::string_view Statement::Bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string_view() : std::string_view(data, static_cast<size_t>(size));
}

}  // namespace procctl::uplink
