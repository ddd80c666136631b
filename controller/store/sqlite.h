// SQLite behind absl::Status and RAII. A Database and its statements belong to one thread at a
// time.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace procctl::controller {

// One execution of a statement that its Database keeps prepared. Reset and unbound when it goes.
class Query {
 public:
  Query(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Query(Query&& other) noexcept : db_(other.db_), statement_(other.statement_) {
    other.statement_ = nullptr;
  }
  Query& operator=(Query&&) = delete;
  ~Query();

  // The next parameter, in order. Text and blobs are copied.
  Query& Bind(std::int64_t value);
  Query& Bind(std::string_view text);
  Query& BindBlob(std::string_view bytes);
  // Not copied: must stay as it is until the Query goes.
  Query& BindInPlace(std::string_view text);
  Query& BindBlobInPlace(std::string_view bytes);
  Query& BindNull();

  // True: a row is there. False: done.
  absl::StatusOr<bool> Step();
  // For statements without rows.
  absl::Status Run();

  std::int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  // Valid until the next Step.
  std::string_view Text(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int parameters_ = 0;
};

class Database {
 public:
  enum class Access { kReadWrite, kReadOnly };
  static absl::StatusOr<Database> Open(const std::string& path, Access access);

  absl::Status Execute(const std::string& sql);
  // The first column of the first row, as text.
  absl::StatusOr<std::string> Ask(const std::string& sql);
  // `sql` is prepared once and kept.
  absl::StatusOr<Query> Prepare(const std::string& sql);
  // For statements that run often: `*handle` (nullptr at first) spares looking `sql` up. Never with
  // TrimStatements.
  absl::StatusOr<Query> Prepare(const char* sql, sqlite3_stmt** handle);
  // Forgets prepared statements if they have become many, for who makes texts from filters. No
  // Query of this database may be alive.
  void TrimStatements();

  // Rows changed by the latest INSERT, UPDATE or DELETE.
  int Changes() const { return sqlite3_changes(db_.get()); }

  // Statements fail with DEADLINE_EXCEEDED once `deadline` has passed; default: never.
  void SetDeadline(std::chrono::steady_clock::time_point deadline) { *deadline_ = deadline; }

  sqlite3* handle() { return db_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  explicit Database(sqlite3* db);

  std::unique_ptr<sqlite3, Close> db_;
  // Behind a pointer: SQLite keeps its address, and a Database moves.
  std::unique_ptr<std::chrono::steady_clock::time_point> deadline_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

// What SQLite says, as a status whose code says what the caller can do.
absl::Status SqliteError(sqlite3* db, int code, std::string_view doing);

}  // namespace procctl::controller
