#include "controller/store/writer_tables.h"

#include "controller/core/order_standing.h"

namespace procctl::controller {
namespace {

// Bounds what a long life of many guardian epochs may keep in memory.
constexpr size_t kMostCached = 200'000;

std::int64_t Nanos(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// The first column of the one row that `query` may find, or 0.
absl::StatusOr<std::int64_t> NumberOrZero(absl::StatusOr<Query> query) {
  if (!query.ok()) return query.status();
  auto row = query->Step();
  if (!row.ok()) return row.status();
  return *row ? query->Integer(0) : 0;
}

}  // namespace

void WriterTables::Forget() {
  session_epochs_.clear();
  cursors_.clear();
}

absl::StatusOr<std::int64_t> WriterTables::SessionEpoch(const std::string& node) {
  if (const auto known = session_epochs_.find(node); known != session_epochs_.end()) {
    return known->second;
  }
  auto query = database_->Prepare("SELECT session_epoch FROM nodes WHERE node = ?");
  if (query.ok()) query->Bind(node);
  auto epoch = NumberOrZero(std::move(query));
  if (epoch.ok()) session_epochs_[node] = *epoch;
  return epoch;
}

absl::Status WriterTables::SetSessionEpoch(const std::string& node, std::int64_t session_epoch) {
  auto query = database_->Prepare(
      "INSERT INTO nodes(node, session_epoch) VALUES(?, ?) "
      "ON CONFLICT(node) DO UPDATE SET session_epoch = excluded.session_epoch, forgotten = 0");
  if (!query.ok()) return query.status();
  if (absl::Status done = query->Bind(node).Bind(session_epoch).Run(); !done.ok()) return done;
  session_epochs_[node] = session_epoch;
  return absl::OkStatus();
}

absl::StatusOr<bool> WriterTables::ForgetNode(const std::string& node) {
  auto query = database_->Prepare("UPDATE nodes SET forgotten = 1 WHERE node = ?");
  if (!query.ok()) return query.status();
  if (absl::Status done = query->Bind(node).Run(); !done.ok()) return done;
  return database_->Changes() > 0;
}

absl::StatusOr<std::int64_t> WriterTables::CursorOf(const std::string& origin, std::int64_t epoch) {
  const auto key = std::make_pair(origin, epoch);
  if (const auto known = cursors_.find(key); known != cursors_.end()) return known->second;
  if (cursors_.size() > kMostCached) cursors_.clear();
  auto query = database_->Prepare("SELECT seq FROM cursors WHERE origin = ? AND epoch = ?");
  if (query.ok()) query->Bind(origin).Bind(epoch);
  auto seq = NumberOrZero(std::move(query));
  if (seq.ok() && *seq == 0) seq = FloorOf(origin, epoch);
  if (seq.ok()) cursors_[key] = *seq;
  return seq;
}

absl::StatusOr<std::int64_t> WriterTables::FloorOf(const std::string& origin, std::int64_t epoch) {
  auto query = database_->Prepare(
      "SELECT epoch FROM cursors WHERE origin = ? ORDER BY epoch DESC LIMIT 1 OFFSET ?");
  if (query.ok()) {
    query->Bind(origin).Bind(static_cast<std::int64_t>(CommitLog::kMostCursors) - 1);
  }
  auto oldest = NumberOrZero(std::move(query));
  if (!oldest.ok()) return oldest;
  return epoch < *oldest ? kAllCommitted : 0;
}

absl::Status WriterTables::SetCursor(const std::string& origin, const Cursor& cursor) {
  auto query = database_->Prepare(
      "INSERT INTO cursors VALUES(?, ?, ?) "
      "ON CONFLICT(origin, epoch) DO UPDATE SET seq = excluded.seq",
      &set_cursor_);
  if (!query.ok()) return query.status();
  if (absl::Status done = query->BindInPlace(origin).Bind(cursor.epoch).Bind(cursor.seq).Run();
      !done.ok()) {
    return done;
  }
  cursors_[std::make_pair(origin, cursor.epoch)] = cursor.seq;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Cursor>> WriterTables::NewestCursors(const std::string& origin,
                                                                std::size_t most) {
  auto query = database_->Prepare(
      "SELECT epoch, seq FROM cursors WHERE origin = ? ORDER BY epoch DESC LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(origin).Bind(static_cast<std::int64_t>(most));
  std::vector<Cursor> cursors;
  for (;;) {
    auto row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return cursors;
    cursors.push_back({query->Integer(0), query->Integer(1)});
  }
}

absl::Status WriterTables::InsertEvent(const v1::Event& event, WallTime received_at,
                                       std::optional<std::chrono::nanoseconds> skew) {
  // The cursor has left out what is there already; the unique index stands behind it.
  auto query = database_->Prepare(
      "INSERT INTO events(origin, epoch, seq, received_ns, node, slot, name, pid, kind, cause, "
      "verdict, order_id, kill, program, run, skew_ns, body) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      &insert_event_);
  if (!query.ok()) return query.status();
  body_.clear();
  event.AppendToString(&body_);
  query->BindInPlace(event.id().origin())
      .Bind(event.id().epoch())
      .Bind(event.id().seq())
      .Bind(Nanos(received_at))
      .BindInPlace(event.node())
      .BindInPlace(event.slot())
      .BindInPlace(event.name())
      .Bind(event.incarnation().pid())
      .Bind(event.kind())
      .Bind(event.cause())
      .Bind(event.verdict());
  const auto bind_or_null = [&](const std::string& text) {
    text.empty() ? query->BindNull() : query->BindInPlace(text);
  };
  bind_or_null(event.order_id());
  event.kill() == 0 ? query->BindNull() : query->Bind(event.kill());
  bind_or_null(event.program());
  bind_or_null(event.run());
  skew ? query->Bind(skew->count()) : query->BindNull();
  return query->BindBlobInPlace(body_).Run();
}

absl::StatusOr<bool> WriterTables::InsertRequest(const OrderRequest& request, WallTime at) {
  auto insert = database_->Prepare(
      "INSERT INTO requests(request_id, issuer, received_ns, grace_ns, time_to_live_ns, reason, "
      "act, hold_for_ns, plan_hash, pace, state, state_message) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(request_id) DO NOTHING");
  if (!insert.ok()) return insert.status();
  insert->Bind(request.id).Bind(request.issuer).Bind(Nanos(at));
  request.grace ? insert->Bind(request.grace->count()) : insert->BindNull();
  request.time_to_live ? insert->Bind(request.time_to_live->count()) : insert->BindNull();
  insert->Bind(request.reason).Bind(static_cast<std::int64_t>(request.act));
  request.hold_for ? insert->Bind(request.hold_for->count()) : insert->BindNull();
  const bool stops = request.act == Act::kStop;
  insert->Bind(request.plan_hash);
  request.plan_hash.empty() ? insert->BindNull()
                            : insert->BindBlob(MessageOf(request.pace).SerializeAsString());
  insert->Bind(stops ? v1::ORDER_STATE_RUNNING : v1::ORDER_STATE_FINISHED)
      .Bind(stops ? Sentence("begun", request.issuer, request.reason) : std::string());
  if (absl::Status done = insert->Run(); !done.ok()) return done;
  if (database_->Changes() == 0) return false;
  for (size_t i = 0; i < request.targets.size(); ++i) {
    const OrderTarget& target = request.targets[i];
    auto row = database_->Prepare(
        "INSERT INTO targets(request_id, target, node, slot, boot_id, pid, start_ticks, "
        "generation, name, batch, planned, sent) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    if (!row.ok()) return row.status();
    row->Bind(request.id).Bind(static_cast<std::int64_t>(i)).Bind(target.node).Bind(target.label);
    row->Bind(target.incarnation.boot_id())
        .Bind(target.incarnation.pid())
        .Bind(target.incarnation.start_ticks())
        .Bind(target.incarnation.generation())
        .Bind(target.name)
        .Bind(target.batch)
        .Bind(target.planned)
        .Bind(request.GoesAtOnce() ? 1 : 0);
    if (absl::Status done = row->Run(); !done.ok()) return done;
  }
  return true;
}

absl::Status WriterTables::SetSent(const std::string& request_id,
                                   const std::vector<size_t>& targets, bool sent) {
  for (const size_t target : targets) {
    auto update =
        database_->Prepare("UPDATE targets SET sent = ? WHERE request_id = ? AND target = ?");
    if (!update.ok()) return update.status();
    update->Bind(sent ? 1 : 0).Bind(request_id).Bind(static_cast<std::int64_t>(target));
    if (absl::Status done = update->Run(); !done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status WriterTables::SetOrderState(const std::string& request_id, v1::OrderState state,
                                         const std::string& message) {
  auto update =
      database_->Prepare("UPDATE requests SET state = ?, state_message = ? WHERE request_id = ?");
  if (!update.ok()) return update.status();
  return update->Bind(state).Bind(message).Bind(request_id).Run();
}

}  // namespace procctl::controller
