// The course of orders on the desk: what is next for each, who steers it, what is taken up again
// after a crash.
#include <atomic>
#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/kill_desk.h"
#include "controller/rpc/recorded_order.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

v1::Severity SeverityOf(v1::OrderState state) {
  return state == v1::ORDER_STATE_HALTED || state == v1::ORDER_STATE_PAUSED ? v1::SEVERITY_WARNING
                                                                            : v1::SEVERITY_INFO;
}

// Several orders are steered by one call, which is answered when the last of them is recorded.
struct SteerAnswer {
  SteerAnswer(std::vector<OrderStanding> orders, KillDesk::Steered tell)
      : standings(std::move(orders)), left(standings.size()), done(std::move(tell)) {}

  void Recorded(const absl::Status& recorded) {
    if (!recorded.ok()) failed.store(true);
    if (left.fetch_sub(1) > 1) return;
    if (failed.load()) {
      return done(absl::UnavailableError(
          "the controller is going down; look at the orders once it is back"));
    }
    done(standings);
  }

  const std::vector<OrderStanding> standings;
  std::atomic<size_t> left;
  std::atomic<bool> failed{false};
  const KillDesk::Steered done;
};

}  // namespace

void KillDesk::Load(std::vector<RecordedRequest> orders) {
  Steps steps;
  {
    absl::MutexLock lock(&mutex_);
    const MonoTime now = MonoNow();
    for (RecordedRequest& recorded : orders) {
      const std::string id = recorded.request.id;
      const absl::Status restored =
          book_.Restore({std::move(recorded.request), std::move(recorded.sent), recorded.state,
                         std::move(recorded.state_message), recorded.received_at},
                        now);
      if (!restored.ok()) {
        spdlog::error("order {} is not taken up again: {}", id, restored.ToString());
        continue;
      }
      // Nobody listens yet.
      for (const v1::Event& event : recorded.answers) (void)book_.OnCommitted(event, now);
      Advance(id, now, &steps);
    }
  }
  for (const Step& step : steps) {
    if (step.move.changed) {
      spdlog::warn("order {} of an earlier life: {}", step.id, step.move.changed->message);
    }
  }
  Take(steps);
}

std::optional<OrderStanding> KillDesk::Look(const std::string& request_id) {
  absl::MutexLock lock(&mutex_);
  return book_.Look(request_id);
}

void KillDesk::Advance(const std::string& id, MonoTime now, Steps* steps) {
  const OrderRequest* request = book_.Find(id);
  if (request == nullptr) return;
  OrderBook::Move move = book_.Advance(id, now);
  if (move.choose.empty() && !move.changed) return;
  steps->push_back({id, std::move(move), HasSteps(*request)});
}

void KillDesk::Advance(const News& news, MonoTime now, Steps* steps) {
  for (size_t i = 0; i < news.size(); ++i) {
    // News come by request: once for each is enough.
    if (i == 0 || news[i].request_id != news[i - 1].request_id) {
      Advance(news[i].request_id, now, steps);
    }
  }
}

void KillDesk::Take(const Steps& steps) {
  for (const Step& step : steps) {
    if (!step.move.choose.empty()) {
      ways_.RecordSent(step.id, step.move.choose, /*sent=*/true,
                       [this, id = step.id, chosen = step.move.choose](const absl::Status& done) {
                         if (done.ok()) SendChosen(id, chosen);
                       });
    }
    if (!step.move.changed) continue;
    const OrderStanding& standing = *step.move.changed;
    if (step.as_event) {
      ways_.RecordStep(OrderStep(standing.request_id, standing.issuer, standing.reason,
                                 standing.message, SeverityOf(standing.state), WallNow()));
    }
    ways_.RecordState(standing, [this, standing](const absl::Status& recorded) {
      if (recorded.ok()) StateRecorded(standing);
    });
  }
}

void KillDesk::SendChosen(const std::string& id, const std::vector<size_t>& targets) {
  OrderBook::Sending sending;
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    if (book_.Find(id) == nullptr) return;
    sending = book_.Send(id, targets, MonoNow());
    calls = Addressed(*book_.Look(id));
  }
  if (!sending.stays.empty()) {
    // The order was stopped meanwhile. Where this is not recorded any more, a later life takes them
    // for sent, and nobody is signalled twice.
    ways_.RecordSent(id, sending.stays, /*sent=*/false, [](const absl::Status&) {});
  }
  Dispatch(id, std::move(sending.orders));
  Deliver(calls);
}

void KillDesk::StateRecorded(const OrderStanding& standing) {
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    calls = Addressed(standing);
    for (Call& call : Addressed(book_.StateRecorded(standing.request_id, standing.state))) {
      calls.push_back(std::move(call));
    }
    if (book_.Find(standing.request_id) == nullptr) listeners_.erase(standing.request_id);
  }
  Deliver(calls);
}

void KillDesk::Steer(Steering how, Steered done) {
  Steps steps;
  std::vector<OrderStanding> standings;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    const MonoTime now = MonoNow();
    const bool all = how.request_id.empty();
    std::vector<std::string> ids;
    if (all) {
      ids = book_.Ids();
    } else {
      ids.push_back(how.request_id);
    }
    for (const std::string& id : ids) {
      status = book_.Steer(id, how.action, how.by, how.reason, now);
      if (!status.ok()) continue;
      OrderBook::Move move = book_.Advance(id, now);
      const std::optional<OrderStanding> standing = book_.Look(id);
      standings.push_back(*standing);
      steps.push_back({id, std::move(move), /*as_event=*/true});
    }
    // One that ended on the way is no fault of who steers all.
    if (all) status = absl::OkStatus();
  }
  if (absl::IsNotFound(status)) return SteerRecorded(how, done);
  if (!status.ok()) return done(status);
  if (standings.empty()) return done(standings);
  const auto answer = std::make_shared<SteerAnswer>(standings, std::move(done));
  for (size_t i = 0; i < steps.size(); ++i) {
    const OrderStanding& standing = standings[i];
    const bool changed = steps[i].move.changed.has_value();
    if (changed) {
      spdlog::info("order {}: {}", standing.request_id, standing.message);
      ways_.RecordStep(OrderStep(standing.request_id, how.by, how.reason, standing.message,
                                 SeverityOf(standing.state), WallNow()));
    }
    // Also where nothing changed: the change before it may not be committed yet.
    ways_.RecordState(standing, [this, standing, answer](const absl::Status& recorded) {
      if (recorded.ok()) StateRecorded(standing);
      answer->Recorded(recorded);
    });
    steps[i].move.changed.reset();
  }
  Take(steps);
}

void KillDesk::SteerRecorded(const Steering& how, const Steered& done) {
  ways_.LookUp(
      how.request_id, [how, done](const absl::StatusOr<std::optional<RecordedRequest>>& found) {
        if (!found.ok()) return done(found.status());
        if (!found->has_value() || (*found)->request.act != Act::kStop) {
          return done(absl::NotFoundError(
              fmt::format("no order {} to stop is known here", how.request_id)));
        }
        const RecordedRequest& recorded = **found;
        if (how.action == v1::ORDER_ACTION_CANCEL && recorded.state == v1::ORDER_STATE_CANCELLED) {
          return done(std::vector<OrderStanding>{LookAt(recorded, StandingOf(recorded, {}))});
        }
        done(absl::FailedPreconditionError(
            fmt::format("order {} has ended: {}", how.request_id, recorded.state_message)));
      });
}

void KillDesk::Tick() {
  const MonoTime now = MonoNow();
  News news;
  std::vector<Call> calls;
  std::vector<AwaitedTarget> awaited;
  Steps steps;
  {
    absl::MutexLock lock(&mutex_);
    news = book_.Expire(now);
    calls = Addressed(news);
    Advance(news, now, &steps);
    for (const std::string& id : book_.Due(now)) Advance(id, now, &steps);
    awaited = book_.Awaited();
  }
  for (const OrderBook::News& item : news) {
    spdlog::warn("order {} has no verdict in time", item.progress.order_id);
  }
  Deliver(calls);
  Take(steps);
  if (awaited.empty()) return;
  const std::vector<AwaitedTarget> back = ways_.WhoIsBack(awaited);
  steps.clear();
  {
    absl::MutexLock lock(&mutex_);
    for (const AwaitedTarget& target : back) {
      book_.Returned(target, now);
      Advance(target.request_id, now, &steps);
    }
  }
  Take(steps);
}

}  // namespace procctl::controller
