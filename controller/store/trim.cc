#include "controller/store/trim.h"

#include <algorithm>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// Rows between two looks at the clock: about a millisecond.
constexpr std::int64_t kRowsPerStep = 64;
// An event may be large, and a size is measured between two steps.
constexpr std::int64_t kEventsPerStep = 16;
constexpr std::int64_t kPagesPerStep = 16;
// v1.OrderState: below it an order may still go on.
constexpr std::int64_t kFirstEndedState = 4;

bool Late(TrimUntil until) { return std::chrono::steady_clock::now() >= until; }

absl::Status Delete(const char* sql, std::int64_t key, Database* database) {
  auto query = database->Prepare(sql);
  return query.ok() ? query->Bind(key).Run() : query.status();
}

// The next rows of events behind `pass`: positions to drop, or where the pass ends.
absl::Status LookAtEvents(std::int64_t before_ns, Database* database, TrimPass* pass,
                          std::vector<std::int64_t>* drop) {
  auto query = database->Prepare(
      "SELECT position, received_ns, order_id IS NOT NULL AND EXISTS(SELECT 1 FROM requests WHERE "
      "request_id = substr(order_id, 1, instr(order_id || '/', '/') - 1)) "
      "FROM events WHERE position > ? ORDER BY position LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(pass->position).Bind(kEventsPerStep);
  std::int64_t rows = 0;
  for (;;) {
    auto row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    if (query->Integer(1) >= before_ns) {
      pass->done = true;
      return absl::OkStatus();
    }
    ++rows;
    pass->position = query->Integer(0);
    if (query->Integer(2) == 0) drop->push_back(pass->position);
  }
  pass->done = rows < kEventsPerStep;
  return absl::OkStatus();
}

// False: the time is up and some targets are left.
absl::StatusOr<bool> DropTargets(const std::string& request, TrimUntil until, Database* database) {
  for (;;) {
    auto query = database->Prepare(
        "DELETE FROM targets WHERE request_id = ?1 AND target IN "
        "(SELECT target FROM targets WHERE request_id = ?1 LIMIT ?2)");
    if (!query.ok()) return query.status();
    if (absl::Status done = query->Bind(request).Bind(kRowsPerStep).Run(); !done.ok()) return done;
    if (database->Changes() < kRowsPerStep) return true;
    if (Late(until)) return false;
  }
}

struct OldRequest {
  std::int64_t number = 0;
  std::string id;
};

// The oldest request behind `pass` that may go. Empty id: there is none.
absl::StatusOr<OldRequest> NextRequest(std::int64_t before_ns, Database* database,
                                       const TrimPass& pass) {
  auto query = database->Prepare(
      "SELECT number, request_id, received_ns FROM requests WHERE number > ? AND state >= ? "
      "ORDER BY number LIMIT 1");
  if (!query.ok()) return query.status();
  auto row = query->Bind(pass.position).Bind(kFirstEndedState).Step();
  if (!row.ok()) return row.status();
  if (!*row || query->Integer(2) >= before_ns) return OldRequest();
  return OldRequest{query->Integer(0), std::string(query->Text(1))};
}

}  // namespace

absl::Status TrimEvents(const TrimLimit& limit, TrimUntil until, Database* database,
                        TrimPass* pass) {
  std::vector<std::int64_t> drop;
  do {
    if (limit.enough_bytes > 0) {
      auto size = MeasureDatabase(database);
      if (!size.ok()) return size.status();
      pass->done = size->UsedBytes() <= limit.enough_bytes;
      if (pass->done) return absl::OkStatus();
    }
    drop.clear();
    if (absl::Status looked = LookAtEvents(limit.before_ns, database, pass, &drop); !looked.ok()) {
      return looked;
    }
    for (const std::int64_t position : drop) {
      if (absl::Status done = Delete("DELETE FROM events WHERE position = ?", position, database);
          !done.ok()) {
        return done;
      }
      ++pass->dropped;
    }
  } while (!pass->done && !Late(until));
  return absl::OkStatus();
}

absl::Status TrimRequests(std::int64_t before_ns, TrimUntil until, Database* database,
                          TrimPass* pass) {
  do {
    auto old = NextRequest(before_ns, database, *pass);
    if (!old.ok()) return old.status();
    if (old->id.empty()) {
      pass->done = true;
      return absl::OkStatus();
    }
    auto gone = DropTargets(old->id, until, database);
    if (!gone.ok()) return gone.status();
    if (!*gone) return absl::OkStatus();
    if (absl::Status done = Delete("DELETE FROM requests WHERE number = ?", old->number, database);
        !done.ok()) {
      return done;
    }
    pass->position = old->number;
    ++pass->dropped;
  } while (!Late(until));
  return absl::OkStatus();
}

absl::Status TrimCursors(const std::string& origin, std::int64_t keep, TrimUntil until,
                         Database* database, TrimPass* pass) {
  do {
    auto query = database->Prepare(
        "DELETE FROM cursors WHERE origin = ?1 AND epoch IN (SELECT epoch FROM cursors WHERE "
        "origin = ?1 AND epoch < (SELECT epoch FROM cursors WHERE origin = ?1 ORDER BY epoch DESC "
        "LIMIT 1 OFFSET ?2) LIMIT ?3)");
    if (!query.ok()) return query.status();
    if (absl::Status done = query->Bind(origin).Bind(keep - 1).Bind(kRowsPerStep).Run();
        !done.ok()) {
      return done;
    }
    pass->dropped += database->Changes();
    pass->done = database->Changes() < kRowsPerStep;
  } while (!pass->done && !Late(until));
  return absl::OkStatus();
}

absl::StatusOr<DatabaseSize> MeasureDatabase(Database* database) {
  DatabaseSize size;
  for (const auto& [sql, into] : {std::pair{"PRAGMA page_size", &size.page_bytes},
                                  std::pair{"PRAGMA page_count", &size.pages},
                                  std::pair{"PRAGMA freelist_count", &size.free_pages}}) {
    auto query = database->Prepare(sql);
    if (!query.ok()) return query.status();
    auto row = query->Step();
    if (!row.ok()) return row.status();
    *into = *row ? query->Integer(0) : 0;
  }
  return size;
}

absl::Status GivePagesBack(std::int64_t leave, TrimUntil until, Database* database,
                           TrimPass* pass) {
  auto before = MeasureDatabase(database);
  if (!before.ok()) return before.status();
  do {
    const std::int64_t step = std::min(kPagesPerStep, before->free_pages - leave);
    if (step > 0) {
      if (absl::Status done = database->Execute(fmt::format("PRAGMA incremental_vacuum({})", step));
          !done.ok()) {
        return done;
      }
    }
    auto after = MeasureDatabase(database);
    if (!after.ok()) return after.status();
    // A database that was not made for it gives nothing back, however often it is asked.
    pass->done = after->free_pages <= leave || after->pages >= before->pages;
    pass->dropped += before->pages - after->pages;
    before = after;
  } while (!pass->done && !Late(until));
  return absl::OkStatus();
}

}  // namespace procctl::controller
