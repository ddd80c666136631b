#include "controller/store/order_reads.h"

#include <limits>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// Targets counted for one page: some tens of milliseconds.
constexpr int kMostCounted = 20'000;

WallTime FromNanos(std::int64_t nanos) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(nanos)));
}

// A blob that is no pace, or none at all, bounds nothing.
Pace ReadPace(const Query& row, int column) {
  v1::Pace message;
  const std::string_view bytes = row.Text(column);
  if (row.IsNull(column) || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return {};
  }
  return PaceOf(message);
}

absl::Status ReadTargets(Database* database, RecordedRequest* recorded) {
  OrderRequest* request = &recorded->request;
  auto targets = database->Prepare(
      "SELECT node, slot, boot_id, pid, start_ticks, generation, name, batch, planned, sent FROM "
      "targets WHERE request_id = ? ORDER BY target");
  if (!targets.ok()) return targets.status();
  targets->Bind(request->id);
  for (;;) {
    auto row = targets->Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    OrderTarget& target = request->targets.emplace_back();
    target.node = targets->Text(0);
    target.label = targets->Text(1);
    target.incarnation.set_boot_id(std::string(targets->Text(2)));
    target.incarnation.set_pid(static_cast<std::int32_t>(targets->Integer(3)));
    target.incarnation.set_start_ticks(targets->Integer(4));
    target.incarnation.set_generation(targets->Integer(5));
    target.name = targets->Text(6);
    target.batch = static_cast<int>(targets->Integer(7));
    target.planned = static_cast<v1::PlannedOutcome>(targets->Integer(8));
    recorded->sent.push_back(targets->Integer(9) != 0);
    if (IsProgramAct(request->act) && target.incarnation.generation() == 0) {
      target.incarnation.Clear();
      target.any_life = true;
    }
  }
}

absl::Status ReadAnswers(Database* database, RecordedRequest* recorded) {
  const OrderRequest& request = recorded->request;
  const std::vector<v1::EventKind>& answers = AnswerKinds(request.act);
  const std::vector<int> kinds(answers.begin(), answers.end());
  for (std::size_t i = 0; i < request.targets.size(); ++i) {
    // A node cannot answer for another: the answer must come from the target's own.
    auto answer = database->Prepare(
        fmt::format("SELECT body FROM events WHERE order_id = ? AND kind IN ({}) AND node = ? "
                    "ORDER BY position LIMIT 1",
                    fmt::join(kinds, ",")));
    if (!answer.ok()) return answer.status();
    auto row = answer->Bind(OrderId(request.id, i)).Bind(request.targets[i].node).Step();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    const std::string_view body = answer->Text(0);
    (void)recorded->answers.emplace_back().ParseFromArray(body.data(),
                                                          static_cast<int>(body.size()));
  }
  return absl::OkStatus();
}

struct Counts {
  int targets = 0;
  int sent = 0;
  int answered = 0;
  int stopped = 0;
  int batches = 1;
  int sent_batch = 1;
};

absl::StatusOr<Counts> CountTargets(const std::string& id, Database* database) {
  Counts counts;
  auto rows = database->Prepare(
      "SELECT count(*), sum(sent), max(batch), max(CASE WHEN sent THEN batch ELSE 1 END) FROM "
      "targets WHERE request_id = ?");
  if (!rows.ok()) return rows.status();
  auto row = rows->Bind(id).Step();
  if (!row.ok()) return row.status();
  if (*row) {
    counts.targets = static_cast<int>(rows->Integer(0));
    counts.sent = static_cast<int>(rows->Integer(1));
    counts.batches = static_cast<int>(rows->Integer(2));
    counts.sent_batch = static_cast<int>(rows->Integer(3));
  }
  auto verdicts = database->Prepare(
      "SELECT count(DISTINCT t.target), count(DISTINCT CASE WHEN e.verdict IN (?, ?, ?) THEN "
      "t.target END) FROM targets t JOIN events e ON e.order_id = t.request_id || '/' || t.target "
      "AND e.kind = ? AND e.node = t.node WHERE t.request_id = ?");
  if (!verdicts.ok()) return verdicts.status();
  verdicts->Bind(v1::VERDICT_EXITED_ON_TERM)
      .Bind(v1::VERDICT_KILLED)
      .Bind(v1::VERDICT_GONE_ALREADY)
      .Bind(v1::EVENT_KIND_VERDICT)
      .Bind(id);
  auto verdict = verdicts->Step();
  if (!verdict.ok()) return verdict.status();
  if (*verdict) {
    counts.answered = static_cast<int>(verdicts->Integer(0));
    counts.stopped = static_cast<int>(verdicts->Integer(1));
  }
  return counts;
}

// Of an order that is not under way here. What was sent and has no verdict has failed.
void Fill(const Counts& counts, OrderStanding* standing) {
  standing->targets = counts.targets;
  standing->waiting = counts.targets - counts.sent;
  standing->under_way = HasEnded(standing->state) ? 0 : counts.sent - counts.answered;
  standing->done = counts.sent - standing->under_way;
  standing->failed = standing->done - counts.stopped;
  standing->batch = counts.sent_batch;
  standing->batches = counts.batches;
}

}  // namespace

absl::StatusOr<std::optional<RecordedRequest>> ReadRequest(const std::string& id,
                                                           Database* database) {
  auto head = database->Prepare(
      "SELECT issuer, grace_ns, time_to_live_ns, reason, act, hold_for_ns, received_ns, plan_hash, "
      "pace, state, state_message FROM requests WHERE request_id = ?");
  if (!head.ok()) return head.status();
  auto found = head->Bind(id).Step();
  if (!found.ok()) return found.status();
  if (!*found) return std::nullopt;
  RecordedRequest recorded;
  recorded.request.id = id;
  recorded.request.issuer = head->Text(0);
  if (!head->IsNull(1)) recorded.request.grace = std::chrono::nanoseconds(head->Integer(1));
  if (!head->IsNull(2)) recorded.request.time_to_live = std::chrono::nanoseconds(head->Integer(2));
  recorded.request.reason = head->Text(3);
  recorded.request.act = static_cast<Act>(head->Integer(4));
  if (!head->IsNull(5)) recorded.request.hold_for = std::chrono::nanoseconds(head->Integer(5));
  recorded.received_at = FromNanos(head->Integer(6));
  recorded.request.plan_hash = head->Text(7);
  recorded.request.pace = ReadPace(*head, 8);
  recorded.state = static_cast<v1::OrderState>(head->Integer(9));
  recorded.state_message = head->Text(10);
  if (absl::Status read = ReadTargets(database, &recorded); !read.ok()) return read;
  if (absl::Status read = ReadAnswers(database, &recorded); !read.ok()) return read;
  return recorded;
}

absl::StatusOr<std::vector<RecordedRequest>> ReadOpenOrders(Database* database) {
  auto ids = database->Prepare(
      "SELECT request_id FROM requests WHERE state < 4 AND act = 0 ORDER BY number");
  if (!ids.ok()) return ids.status();
  std::vector<RecordedRequest> orders;
  for (;;) {
    auto row = ids->Step();
    if (!row.ok()) return row.status();
    if (!*row) return orders;
    auto order = ReadRequest(std::string(ids->Text(0)), database);
    if (!order.ok()) return order.status();
    if (order->has_value()) orders.push_back(**std::move(order));
  }
}

absl::StatusOr<OrderPage> ReadOrderPage(const OrderQuery& query, Database* database) {
  auto heads = database->Prepare(
      query.only_running
          ? "SELECT number, request_id, issuer, reason, received_ns, pace, state, state_message "
            "FROM requests WHERE state < 4 AND act = 0 AND number < ? ORDER BY number DESC LIMIT ?"
          : "SELECT number, request_id, issuer, reason, received_ns, pace, state, state_message "
            "FROM requests WHERE act = 0 AND number < ? ORDER BY number DESC LIMIT ?");
  if (!heads.ok()) return heads.status();
  heads->Bind(query.before > 0 ? query.before : std::numeric_limits<std::int64_t>::max())
      .Bind(std::int64_t{query.limit} + 1);
  OrderPage page;
  int counted = 0;
  for (;;) {
    auto row = heads->Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    if (page.orders.size() == static_cast<std::size_t>(query.limit) || counted > kMostCounted) {
      page.more = true;
      return page;
    }
    RecordedOrder& order = page.orders.emplace_back();
    order.number = heads->Integer(0);
    order.standing.request_id = heads->Text(1);
    order.standing.issuer = heads->Text(2);
    order.standing.reason = heads->Text(3);
    order.standing.received_at = FromNanos(heads->Integer(4));
    order.standing.pace = ReadPace(*heads, 5);
    order.standing.state = static_cast<v1::OrderState>(heads->Integer(6));
    order.standing.message = heads->Text(7);
    auto counts = CountTargets(order.standing.request_id, database);
    if (!counts.ok()) return counts.status();
    Fill(*counts, &order.standing);
    counted += counts->targets;
  }
}

}  // namespace procctl::controller
