// SQLite's two resources with an owner, and its errors in our words. Not thread-safe.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace procctl::uplink {

struct CloseDatabase {
  void operator()(sqlite3* db) const { (void)sqlite3_close_v2(db); }
};
using DatabasePtr = std::unique_ptr<sqlite3, CloseDatabase>;

// DATA_LOSS if the file is damaged or no database; RESOURCE_EXHAUSTED if the disk is full;
// UNAVAILABLE for what may pass. `what` says what was tried.
absl::Status SqliteError(sqlite3* db, int code, std::string_view what);

absl::Status Execute(sqlite3* db, const char* sql);

// One prepared statement, to be used again and again:
//   auto row = s.Bind(1, epoch).Bind(2, seq).Step(); ... s.Reset();
// Text and blobs that are bound must live until Reset.
class Statement {
 public:
  static absl::StatusOr<Statement> Prepare(sqlite3* db, const char* sql);

  Statement& Bind(int index, std::int64_t value);
  Statement& BindText(int index, std::string_view text);
  Statement& BindBlob(int index, std::string_view bytes);

  // True: there is a row. False: done.
  absl::StatusOr<bool> Step();
  // Step to the end and Reset, for statements whose rows do not matter.
  absl::Status Run();
  void Reset();

  std::int64_t Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  // Valid until the next Step or Reset.
  std::string_view Bytes(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { (void)sqlite3_finalize(statement); }
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace procctl::uplink
