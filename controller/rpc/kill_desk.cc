#include "controller/rpc/kill_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "controller/rpc/clocks.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

void KillDesk::Start(OrderRequest request, Listener listener) {
  Waiting waiting{std::move(request), std::move(listener)};
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
    } else if (!ways_.ClaimNew(id)) {
      lookups_.Begin(waiting);
      look_up = true;
    }
  }
  if (running) return Attach(*running, std::move(waiting));
  if (look_up) return LookUp(waiting.request.id);
  StartNew(std::move(waiting));
}

void KillDesk::Attach(const OrderRequest& running, Waiting waiting) {
  if (!SameTargets(running, waiting.request)) {
    return waiting.listener->Refused(OtherTargets(running.id));
  }
  bool gone = false;
  std::vector<Progress> standing;
  {
    absl::MutexLock lock(&mutex_);
    standing = book_.Standing(running.id);
    gone = standing.empty();
    if (!gone) {
      auto& listeners = listeners_[running.id];
      listeners.erase(std::remove_if(listeners.begin(), listeners.end(),
                                     [](const auto& weak) { return weak.expired(); }),
                      listeners.end());
      listeners.push_back(waiting.listener);
    }
  }
  // Finished between the two looks: now the store knows it.
  if (gone) return Start(std::move(waiting.request), std::move(waiting.listener));
  waiting.listener->Accepted(/*repeated=*/true);
  for (const Progress& progress : standing) waiting.listener->Told(progress);
}

void KillDesk::StartNew(Waiting waiting) {
  const OrderRequest request = waiting.request;
  absl::Status begun;
  bool raced = false;
  std::vector<OrderBook::Dispatch> orders;
  {
    absl::MutexLock lock(&mutex_);
    // A second caller with the same id came in between.
    raced = book_.Find(request.id) != nullptr || lookups_.contains(request.id);
    if (!raced) {
      const MonoTime now = MonoNow();
      begun = book_.Begin(request, /*recorded=*/false, now);
      if (begun.ok()) {
        listeners_[request.id].push_back(waiting.listener);
        orders = book_.OrdersOf(request.id, now);
      }
    }
  }
  if (raced) return Start(std::move(waiting.request), std::move(waiting.listener));
  if (!begun.ok()) return waiting.listener->Refused(begun);

  spdlog::info("{} orders {} targets to stop, request {}: {}", request.issuer,
               request.targets.size(), request.id, request.reason);
  waiting.listener->Accepted(/*repeated=*/false);
  Dispatch(request, std::move(orders), /*refuse=*/true);
  ways_.Record(request, [this, id = request.id] {
    std::vector<Call> calls;
    {
      absl::MutexLock lock(&mutex_);
      calls = Addressed(book_.OnRecorded(id));
    }
    Deliver(calls);
  });
}

void KillDesk::Dispatch(const OrderRequest& request, std::vector<OrderBook::Dispatch> orders,
                        bool refuse) {
  News dispatched;
  std::vector<v1::Event> refused;
  for (OrderBook::Dispatch& dispatch : orders) {
    Progress progress;
    progress.target = dispatch.target;
    progress.order_id = dispatch.order.order_id();
    const Fleet::Sent sent = ways_.Send(dispatch.node, std::move(dispatch.order));
    if (sent == Fleet::Sent::kYes) {
      dispatched.push_back({request.id, std::move(progress)});
    } else if (refuse && Refuse(request.id, dispatch.target)) {
      refused.push_back(RefusedVerdict(request, dispatch.target, RefusalOf(sent), WallNow()));
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

bool KillDesk::Refuse(const std::string& id, size_t target) {
  absl::MutexLock lock(&mutex_);
  return book_.Refuse(id, target);
}

void KillDesk::LookUp(const std::string& id) {
  ways_.LookUp(id, [this, id](absl::StatusOr<std::optional<RecordedRequest>> recorded) {
    FinishLookup(id, std::move(recorded));
  });
}

void KillDesk::FinishLookup(const std::string& id,
                            absl::StatusOr<std::optional<RecordedRequest>> recorded) {
  if (recorded.ok() && recorded->has_value()) return Resume(**recorded);
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

void KillDesk::Resume(const RecordedRequest& recorded) {
  const OrderRequest& request = recorded.request;
  std::vector<Call> calls;
  std::vector<OrderBook::Dispatch> orders;
  Lookup lookup;
  std::vector<Waiting> others;
  absl::Status begun;
  {
    absl::MutexLock lock(&mutex_);
    lookup = lookups_.Take(request.id);
    others = lookup.TakeOthers(request);
    if (!lookup.waiting.empty()) {
      const MonoTime now = MonoNow();
      begun = book_.Begin(request, /*recorded=*/true, now);
      if (begun.ok()) {
        auto& listeners = listeners_[request.id];
        for (const Waiting& waiting : lookup.waiting) listeners.push_back(waiting.listener);
        for (const auto* events : {&recorded.answers, &std::as_const(lookup.events)}) {
          for (const v1::Event& event : *events) {
            for (Call& call : Addressed(book_.OnCommitted(event))) calls.push_back(std::move(call));
          }
        }
        orders = book_.OrdersOf(request.id, now);
      }
    }
  }
  for (const Waiting& waiting : others) waiting.listener->Refused(OtherTargets(request.id));
  for (const Waiting& waiting : lookup.waiting) {
    if (begun.ok()) {
      waiting.listener->Accepted(/*repeated=*/true);
    } else {
      waiting.listener->Refused(begun);
    }
  }
  Deliver(calls);
  // The order may have reached its node in an earlier life of ours, so nothing is refused here: the
  // node knows the id, or stops the process now; a node that cannot be heard leaves it UNRESOLVED.
  Dispatch(request, std::move(orders), /*refuse=*/false);
}

void KillDesk::OnCommitted(const std::vector<v1::Event>& events) {
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    for (const v1::Event& event : events) {
      const auto order = ParseOrderId(event.order_id());
      if (!order) continue;
      lookups_.Keep(std::string(order->first), event);
      for (Call& call : Addressed(book_.OnCommitted(event))) calls.push_back(std::move(call));
    }
  }
  Deliver(calls);
}

void KillDesk::OnNodeReturned(const std::string& node) {
  std::vector<OrderBook::Dispatch> orders;
  {
    absl::MutexLock lock(&mutex_);
    orders = book_.OrdersFor(node, MonoNow());
  }
  ways_.SendAgain(node, std::move(orders));
}

void KillDesk::Tick() {
  News news;
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    news = book_.Expire(MonoNow());
    calls = Addressed(news);
  }
  for (const OrderBook::News& item : news) {
    spdlog::warn("order {} has no verdict in time", item.progress.order_id);
  }
  Deliver(calls);
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

void KillDesk::Deliver(const std::vector<Call>& calls) {
  for (const Call& call : calls) call.listener->Told(call.progress);
}

}  // namespace procctl::controller
