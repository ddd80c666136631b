#include "controller/rpc/kill_desk.h"

#include <algorithm>
#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/recorded_order.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

void KillDesk::Start(OrderRequest request, Listener listener, absl::Status if_new) {
  Begin({std::move(request), std::move(listener), std::move(if_new)});
}

void KillDesk::Watch(const std::string& request_id, Listener listener) {
  Waiting waiting;
  waiting.request.id = request_id;
  waiting.listener = std::move(listener);
  waiting.if_new =
      absl::NotFoundError(fmt::format("no order {} to stop is known here", request_id));
  waiting.any_targets = true;
  Begin(std::move(waiting));
}

void KillDesk::Begin(Waiting waiting) {
  std::optional<OrderRequest> running;
  bool look_up = false;
  {
    absl::MutexLock lock(&mutex_);
    const std::string& id = waiting.request.id;
    if (const OrderRequest* found = book_.Find(id)) {
      running = *found;
    } else if (lookups_.contains(id)) {
      lookups_.Join(std::move(waiting));
      return;
    } else if (!waiting.if_new.ok() || !ways_.ClaimNew(id)) {
      lookups_.Begin(waiting);
      look_up = true;
    }
  }
  if (running) return Attach(*running, std::move(waiting));
  if (look_up) return LookUp(waiting.request.id);
  StartNew(std::move(waiting));
}

void KillDesk::Attach(const OrderRequest& running, Waiting waiting) {
  if (!waiting.any_targets && !SameTargets(running, waiting.request)) {
    return waiting.listener->Refused(OtherTargets(running.id));
  }
  std::vector<Progress> targets;
  std::optional<OrderStanding> standing;
  bool end_recorded = false;
  {
    absl::MutexLock lock(&mutex_);
    standing = book_.Look(running.id);
    if (standing) {
      end_recorded = book_.EndRecorded(running.id);
      targets = book_.Standing(running.id);
      auto& listeners = listeners_[running.id];
      listeners.erase(std::remove_if(listeners.begin(), listeners.end(),
                                     [](const auto& weak) { return weak.expired(); }),
                      listeners.end());
      listeners.push_back(waiting.listener);
    }
  }
  // Finished between the two looks: now the store knows it.
  if (!standing) return Begin(std::move(waiting));
  waiting.listener->Accepted(/*repeated=*/true, targets.size());
  for (const Progress& progress : targets) waiting.listener->Told(progress);
  // An end is told once it is recorded.
  if (!HasEnded(standing->state) || end_recorded) waiting.listener->Stands(*standing);
}

void KillDesk::StartNew(Waiting waiting) {
  if (!waiting.if_new.ok()) return waiting.listener->Refused(waiting.if_new);
  const OrderRequest request = waiting.request;
  absl::Status begun;
  bool raced = false;
  std::vector<OrderBook::Dispatch> orders;
  std::vector<Progress> waits;
  std::optional<OrderStanding> standing;
  {
    absl::MutexLock lock(&mutex_);
    // A second caller with the same id came in between.
    raced = book_.Find(request.id) != nullptr || lookups_.contains(request.id);
    if (!raced) {
      const MonoTime now = MonoNow();
      begun = book_.Begin(request, /*recorded=*/false, now, WallNow());
      if (begun.ok()) {
        listeners_[request.id].push_back(waiting.listener);
        orders = book_.OrdersOf(request.id, now);
        standing = book_.Look(request.id);
        if (!request.GoesAtOnce()) waits = book_.Standing(request.id);
      }
    }
  }
  if (raced) return Begin(std::move(waiting));
  if (!begun.ok()) return waiting.listener->Refused(begun);

  spdlog::info("{} orders {} targets to stop, request {}: {}", request.issuer,
               request.targets.size(), request.id, request.reason);
  waiting.listener->Accepted(/*repeated=*/false, request.targets.size());
  for (const Progress& progress : waits) waiting.listener->Told(progress);
  waiting.listener->Stands(*standing);
  Dispatch(request.id, std::move(orders));
  if (HasSteps(request)) {
    ways_.RecordStep(OrderStep(request.id, request.issuer, request.reason, BegunMessage(request),
                               v1::SEVERITY_INFO, WallNow()));
  }
  ways_.Record(request, [this, id = request.id] {
    std::vector<Call> calls;
    Steps steps;
    {
      absl::MutexLock lock(&mutex_);
      calls = Addressed(book_.OnRecorded(id));
      Advance(id, MonoNow(), &steps);
    }
    Deliver(calls);
    Take(steps);
  });
}

void KillDesk::Dispatch(const std::string& id, std::vector<OrderBook::Dispatch> orders) {
  News dispatched;
  std::vector<v1::Event> refused;
  for (OrderBook::Dispatch& dispatch : orders) {
    Progress progress;
    progress.target = dispatch.target;
    progress.order_id = dispatch.order.order_id();
    const Fleet::Sent sent = ways_.Send(dispatch.node, std::move(dispatch.order));
    if (sent == Fleet::Sent::kYes) {
      dispatched.push_back({id, std::move(progress)});
    } else if (auto verdict = Refuse(id, dispatch.target, RefusalOf(sent))) {
      refused.push_back(*std::move(verdict));
    }
  }
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    calls = Addressed(dispatched);
  }
  Deliver(calls);
  ways_.CommitRefused(std::move(refused),
                      [this](const std::vector<v1::Event>& events) { OnCommitted(events); });
}

std::optional<v1::Event> KillDesk::Refuse(const std::string& id, size_t target,
                                          v1::Refusal refusal) {
  absl::MutexLock lock(&mutex_);
  if (!book_.Refuse(id, target)) return std::nullopt;
  return RefusedVerdict(*book_.Find(id), target, refusal, WallNow());
}

void KillDesk::LookUp(const std::string& id) {
  ways_.LookUp(id, [this, id](absl::StatusOr<std::optional<RecordedRequest>> recorded) {
    FinishLookup(id, std::move(recorded));
  });
}

void KillDesk::FinishLookup(const std::string& id,
                            absl::StatusOr<std::optional<RecordedRequest>> recorded) {
  if (recorded.ok() && recorded->has_value()) return TellRecorded(**recorded);
  Lookup lookup;
  {
    absl::MutexLock lock(&mutex_);
    lookup = lookups_.Take(id);
  }
  for (Waiting& waiting : lookup.waiting) {
    if (recorded.ok()) {
      StartNew(std::move(waiting));
    } else {
      waiting.listener->Refused(recorded.status());
    }
  }
}

void KillDesk::TellRecorded(const RecordedRequest& recorded) {
  const OrderRequest& request = recorded.request;
  Lookup lookup;
  {
    absl::MutexLock lock(&mutex_);
    lookup = lookups_.Take(request.id);
  }
  for (const Waiting& waiting : lookup.TakeOthers(request)) {
    waiting.listener->Refused(OtherTargets(request.id));
  }
  // What the book could not take at the start: it is neither under way nor at its end.
  const bool open =
      !HasEnded(recorded.state) &&
      std::find(recorded.sent.begin(), recorded.sent.end(), false) != recorded.sent.end();
  const std::vector<Progress> targets = StandingOf(recorded, lookup.events);
  const OrderStanding standing = LookAt(recorded, targets);
  for (const Waiting& waiting : lookup.waiting) {
    if (request.act != Act::kStop) {
      waiting.listener->Refused(
          absl::NotFoundError(fmt::format("request {} is no order to stop", request.id)));
    } else if (open) {
      waiting.listener->Refused(absl::UnavailableError(fmt::format(
          "order {} could not be taken up at the start of the controller; end others that are "
          "paused and start it again",
          request.id)));
    } else {
      // Nothing is sent: what has no verdict may have reached its node in an earlier life of ours.
      waiting.listener->Accepted(/*repeated=*/true, targets.size());
      for (const Progress& progress : targets) waiting.listener->Told(progress);
      waiting.listener->Stands(standing);
    }
  }
}

void KillDesk::OnCommitted(const std::vector<v1::Event>& events) {
  std::vector<Call> calls;
  Steps steps;
  {
    absl::MutexLock lock(&mutex_);
    const MonoTime now = MonoNow();
    for (const v1::Event& event : events) {
      const auto order = ParseOrderId(event.order_id());
      if (!order) continue;
      const std::string id(order->first);
      lookups_.Keep(id, event);
      for (Call& call : Addressed(book_.OnCommitted(event, now))) calls.push_back(std::move(call));
      if (event.kind() == v1::EVENT_KIND_VERDICT) Advance(id, now, &steps);
    }
  }
  Deliver(calls);
  Take(steps);
}

void KillDesk::OnNodeReturned(const std::string& node) {
  std::vector<OrderBook::Dispatch> orders;
  {
    absl::MutexLock lock(&mutex_);
    orders = book_.OrdersFor(node, MonoNow());
  }
  ways_.SendAgain(node, std::move(orders));
}

std::vector<KillDesk::Call> KillDesk::Addressed(const News& news) {
  std::vector<Call> calls;
  for (const OrderBook::News& item : news) {
    const auto listeners = listeners_.find(item.request_id);
    if (listeners == listeners_.end()) continue;
    for (const std::weak_ptr<KillListener>& weak : listeners->second) {
      if (Listener listener = weak.lock()) calls.push_back({std::move(listener), item.progress});
    }
  }
  for (const OrderBook::News& item : news) {
    if (book_.Find(item.request_id) == nullptr) listeners_.erase(item.request_id);
  }
  return calls;
}

std::vector<KillDesk::Call> KillDesk::Addressed(const OrderStanding& standing) {
  std::vector<Call> calls;
  const auto listeners = listeners_.find(standing.request_id);
  if (listeners == listeners_.end()) return calls;
  for (const std::weak_ptr<KillListener>& weak : listeners->second) {
    if (Listener listener = weak.lock()) calls.push_back({std::move(listener), standing});
  }
  return calls;
}

void KillDesk::Deliver(const std::vector<Call>& calls) {
  for (const Call& call : calls) {
    if (const auto* progress = std::get_if<Progress>(&call.news)) {
      call.listener->Told(*progress);
    } else {
      call.listener->Stands(std::get<OrderStanding>(call.news));
    }
  }
}

}  // namespace procctl::controller
