#include "controller/store/local_history.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "controller/store/event_sql.h"
#include "controller/store/order_reads.h"
#include "controller/store/schema.h"
#include "controller/store/write_jobs.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr std::chrono::seconds kMostTimePerQuery{10};
// What a row costs in an answer beside the event itself: position, time, framing.
constexpr std::size_t kBytesPerRow = 40;

// `Query` is also a member of History, so the statement goes by another name here.
using Statement = procctl::controller::Query;

WallTime FromNanos(std::int64_t nanos) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(nanos)));
}

std::int64_t Nanos(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

void BindAll(const Condition& condition, Statement* statement) {
  for (const auto& parameter : condition.parameters) {
    if (const auto* number = std::get_if<std::int64_t>(&parameter)) {
      statement->Bind(*number);
    } else {
      statement->Bind(std::get<std::string>(parameter));
    }
  }
}

// One number; the lowest position of all is 1, so 0 is below everything.
absl::StatusOr<std::int64_t> OneNumber(absl::StatusOr<Statement>* statement) {
  auto row = (*statement)->Step();
  if (!row.ok()) return row.status();
  return *row && !(*statement)->IsNull(0) ? (*statement)->Integer(0) : 0;
}

// Where a page may begin, by `since` and `newest`: only rows at or above it are looked at.
absl::StatusOr<std::int64_t> LowestPosition(const EventQuery& query, const Condition& condition,
                                            Database* database) {
  std::int64_t lowest = query.after_position + 1;
  if (query.since) {
    auto statement = database->Prepare("SELECT min(position) FROM events WHERE received_ns >= ?");
    if (!statement.ok()) return statement.status();
    statement->Bind(Nanos(*query.since));
    auto first = OneNumber(&statement);
    if (!first.ok()) return first.status();
    if (*first == 0) return std::numeric_limits<std::int64_t>::max();
    lowest = std::max(lowest, *first);
  }
  if (query.newest > 0) {
    auto statement = database->Prepare(
        fmt::format("SELECT min(position) FROM (SELECT position FROM events WHERE {} AND "
                    "position >= ? ORDER BY position DESC LIMIT ?)",
                    condition.sql));
    if (!statement.ok()) return statement.status();
    BindAll(condition, &*statement);
    statement->Bind(lowest).Bind(query.newest);
    auto first = OneNumber(&statement);
    if (!first.ok()) return first.status();
    lowest = std::max(lowest, *first);
  }
  return lowest;
}

absl::StatusOr<EventPage> ReadPage(const EventQuery& query, Database* database) {
  const Condition condition = EventCondition(query.filter);
  auto lowest = LowestPosition(query, condition, database);
  if (!lowest.ok()) return lowest.status();
  auto statement = database->Prepare(fmt::format(
      "SELECT position, received_ns, body, skew_ns FROM events WHERE {} AND position >= ? "
      "AND received_ns >= ? ORDER BY position LIMIT ?",
      condition.sql));
  if (!statement.ok()) return statement.status();
  BindAll(condition, &*statement);
  statement->Bind(*lowest)
      .Bind(query.since ? Nanos(*query.since) : std::numeric_limits<std::int64_t>::min())
      .Bind(std::int64_t{query.limit} + 1);
  EventPage page;
  std::size_t bytes = 0;
  for (;;) {
    auto row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    const std::string_view body = statement->Text(2);
    bytes += body.size() + kBytesPerRow;
    // At least one event per page, or a large one would never be passed.
    if (page.events.size() == static_cast<std::size_t>(query.limit) ||
        (bytes > query.limit_bytes && !page.events.empty())) {
      page.more = true;
      return page;
    }
    LoggedEvent& logged = page.events.emplace_back();
    logged.position = statement->Integer(0);
    logged.received_at = FromNanos(statement->Integer(1));
    if (!statement->IsNull(3)) logged.skew = std::chrono::nanoseconds(statement->Integer(3));
    if (!logged.event.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
      return absl::DataLossError(
          fmt::format("event at position {} cannot be read; restore the database from a backup",
                      logged.position));
    }
  }
}

}  // namespace

template <typename Result, typename Use>
Result LocalHistory::WithReader(Use use) {
  std::unique_ptr<Database> reader;
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      reader = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (reader == nullptr) {
    auto opened = OpenForReading(path_);
    if (!opened.ok()) return opened.status();
    reader = std::make_unique<Database>(*std::move(opened));
  }
  reader->TrimStatements();
  reader->SetDeadline(std::chrono::steady_clock::now() + kMostTimePerQuery);
  // One transaction: what a call reads is of one moment.
  if (absl::Status begun = reader->Execute("BEGIN"); !begun.ok()) return begun;
  Result result = use(reader.get());
  if (absl::Status ended = reader->Execute("COMMIT"); !ended.ok()) return result;  // not kept
  absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(reader));
  return result;
}

absl::StatusOr<EventPage> LocalHistory::Query(const EventQuery& query) {
  auto page = WithReader<absl::StatusOr<EventPage>>(
      [&](Database* reader) { return ReadPage(query, reader); });
  if (absl::IsDeadlineExceeded(page.status())) {
    return absl::DeadlineExceededError(
        "looking through the events took over 10s; narrow it by node, order or a later since");
  }
  return page;
}

void LocalHistory::RecordRequest(OrderRequest request, WallTime at, Recorded done) {
  writer_->SubmitBounded(MakeRecordRequestJob(std::move(request), at, std::move(done)));
}

absl::StatusOr<std::optional<RecordedRequest>> LocalHistory::FindRequest(const std::string& id) {
  return WithReader<absl::StatusOr<std::optional<RecordedRequest>>>(
      [&](Database* reader) { return ReadRequest(id, reader); });
}

void LocalHistory::RecordSent(const std::string& request_id, std::vector<size_t> targets, bool sent,
                              Recorded done) {
  writer_->Submit(MakeRecordSentJob(request_id, std::move(targets), sent, std::move(done)));
}

void LocalHistory::RecordState(const std::string& request_id, v1::OrderState state,
                               const std::string& message, Recorded done) {
  writer_->Submit(MakeRecordStateJob(request_id, state, message, std::move(done)));
}

absl::StatusOr<std::vector<RecordedRequest>> LocalHistory::OpenOrders() {
  return WithReader<absl::StatusOr<std::vector<RecordedRequest>>>(
      [](Database* reader) { return ReadOpenOrders(reader); });
}

absl::StatusOr<OrderPage> LocalHistory::ListOrders(const OrderQuery& query) {
  return WithReader<absl::StatusOr<OrderPage>>(
      [&](Database* reader) { return ReadOrderPage(query, reader); });
}

absl::StatusOr<std::vector<std::string>> LocalHistory::RequestIds(int most) {
  using Result = absl::StatusOr<std::vector<std::string>>;
  return WithReader<Result>([&](Database* reader) -> Result {
    auto statement =
        reader->Prepare("SELECT request_id FROM requests ORDER BY number DESC LIMIT ?");
    if (!statement.ok()) return statement.status();
    statement->Bind(std::int64_t{most});
    std::vector<std::string> ids;
    for (;;) {
      auto row = statement->Step();
      if (!row.ok()) return row.status();
      if (!*row) return ids;
      ids.emplace_back(statement->Text(0));
    }
  });
}

}  // namespace procctl::controller
