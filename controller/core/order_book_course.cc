// The course of an order in the book: what is next, who steers it, what is back.
#include "controller/core/order_book.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {

OrderBook::Move OrderBook::Advance(std::string_view request_id, MonoTime now) {
  Move move;
  Running* running = FindRunning(request_id);
  if (running == nullptr) return move;
  const bool at_once = running->request.GoesAtOnce();
  // A paced order begins once it is recorded.
  if (running->recorded || at_once) {
    Pacer::Turn turn = running->pacer.Next(now);
    move.choose = std::move(turn.send);
    running->look_again = turn.look_again;
  }
  if (running->pacer.state() == running->told_state) return move;
  running->told_state = running->pacer.state();
  if (running->pacer.ended()) running->ended_at = now;
  move.changed = LookAt(*running);
  return move;
}

std::vector<std::string> OrderBook::Due(MonoTime now) const {
  std::vector<std::string> due;
  for (const auto& [id, running] : requests_) {
    if (running.look_again && *running.look_again <= now) due.push_back(id);
  }
  return due;
}

OrderBook::Sending OrderBook::Send(std::string_view request_id, const std::vector<size_t>& targets,
                                   MonoTime now) {
  Sending sending;
  Running* running = FindRunning(request_id);
  if (running == nullptr) return sending;
  for (const size_t target : targets) {
    if (running->pacer.state() != v1::ORDER_STATE_RUNNING) {
      running->pacer.Withdraw(target);
      sending.stays.push_back(target);
      continue;
    }
    running->ways[target] = Way::kOpen;
    running->sent_at[target] = now;
    running->standing[target].phase = KillPhase::kDispatched;
    if (auto order = OrderOf(*running, target, now)) {
      sending.orders.push_back({target, running->request.targets[target].node, *std::move(order)});
    }
  }
  return sending;
}

absl::Status OrderBook::Steer(std::string_view request_id, v1::OrderAction action,
                              std::string_view by, std::string_view reason, MonoTime now) {
  Running* running = FindRunning(request_id);
  if (running == nullptr) {
    return absl::NotFoundError(fmt::format("no order {} is under way", request_id));
  }
  Pacer& pacer = running->pacer;
  bool done = false;
  switch (action) {
    case v1::ORDER_ACTION_PAUSE:
      done = pacer.Pause(Sentence("paused", by, reason));
      break;
    case v1::ORDER_ACTION_RESUME:
      done = pacer.Resume(Sentence("resumed", by, reason), now);
      break;
    case v1::ORDER_ACTION_CANCEL:
      done = pacer.Cancel(Sentence("cancelled", by, reason));
      break;
    default:
      // A number of a newer version too.
      return absl::InvalidArgumentError("action is none; it must be PAUSE, RESUME or CANCEL");
  }
  if (done) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("order {} has ended: {}", request_id, pacer.message()));
}

std::vector<AwaitedTarget> OrderBook::Awaited() const {
  std::vector<AwaitedTarget> awaited;
  for (const auto& [id, running] : requests_) {
    for (const size_t target : running.pacer.Awaited()) {
      const OrderTarget& whom = running.request.targets[target];
      awaited.push_back({id, target, whom.node, whom.label, whom.incarnation});
    }
  }
  return awaited;
}

void OrderBook::Returned(const AwaitedTarget& awaited, MonoTime now) {
  if (Running* running = FindRunning(awaited.request_id)) {
    running->pacer.Returned(awaited.target, now);
  }
}

std::vector<OrderBook::News> OrderBook::StateRecorded(std::string_view request_id,
                                                      v1::OrderState state) {
  Running* running = FindRunning(request_id);
  if (running == nullptr || !HasEnded(state)) return {};
  running->end_recorded = true;
  std::vector<News> news;
  for (size_t i = 0; i < running->standing.size(); ++i) {
    Progress& progress = running->standing[i];
    if (progress.phase != KillPhase::kWaiting) continue;
    FillCancelled(&progress);
    --running->open;
    news.push_back({std::string(request_id), progress});
  }
  EraseIfFinished(request_id);
  return news;
}

}  // namespace procctl::controller
