#include "controller/rpc/answer_desk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "controller/rpc/clocks.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
void AnswerDesk::Start(OrderRequest request, Listener listener) {
  const std::string id = request.id;
  Waiting waiting{std::move(request), listener};
  enum class Way { kAttached, kOther, kNew, kLookUp } way = Way::kAttached;
  {
    absl::MutexLock lock(&mutex_);
    if (const OrderRequest* running = book_.Find(id)) {
      if (SameTargets(*running, waiting.request)) {
        listeners_[id].push_back(waiting.listener);
      } else {
        way = Way::kOther;
      }
    } else if (lookups_.contains(id)) {
      lookups_.Join(waiting);
    } else if (ways_.ClaimNew(id)) {
      way = Way::kNew;
    } else {
      way = Way::kLookUp;
      lookups_.Begin(waiting);
    }
  }
  switch (way) {
    case Way::kAttached:
      return;
    case Way::kOther:
      return listener->Refused(OtherTargets(id));
    case Way::kNew:
      return StartNew(std::move(waiting));
    case Way::kLookUp:
      return LookUp(id);
  }
}

void AnswerDesk::StartNew(Waiting waiting) {
  const OrderRequest request = waiting.request;
  absl::Status begun;
  bool raced = false;
  std::vector<AnswerBook::Dispatch> orders;
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

  spdlog::info("{} orders {} targets to be {}, request {}: {}", request.issuer,
               request.targets.size(), DoneTo(request.act), request.id, request.reason);
  Dispatch(request, std::move(orders), /*refuse=*/true);
  ways_.Record(request, [this, id = request.id] {
    std::vector<Call> calls;
    {
      absl::MutexLock lock(&mutex_);
      AddressTo(book_.OnRecorded(id), &calls);
    }
    Deliver(calls);
  });
}

void AnswerDesk::Dispatch(const OrderRequest& request, std::vector<AnswerBook::Dispatch> orders,
                          bool refuse) {
  std::vector<v1::Event> refused;
  for (AnswerBook::Dispatch& dispatch : orders) {
    const Fleet::Sent sent = ways_.Send(dispatch.node, std::move(dispatch.order));
    if (sent == Fleet::Sent::kYes || !refuse || !Refuse(request.id, dispatch.target)) continue;
    refused.push_back(RefusedVerdict(request, dispatch.target, RefusalOf(sent), WallNow()));
  }
  ways_.CommitRefused(std::move(refused),
                      [this](const std::vector<v1::Event>& events) { OnCommitted(events); });
}

bool AnswerDesk::Refuse(const std::string& id, size_t target) {
  absl::MutexLock lock(&mutex_);
  return book_.Refuse(id, target);
}

void AnswerDesk::LookUp(const std::string& id) {
  ways_.LookUp(id, [this, id](absl::StatusOr<std::optional<RecordedRequest>> recorded) {
    FinishLookup(id, std::move(recorded));
  });
}

void AnswerDesk::FinishLookup(const std::string& id,
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

void AnswerDesk::Resume(const RecordedRequest& recorded) {
  const OrderRequest& request = recorded.request;
  std::vector<Call> calls;
  std::vector<AnswerBook::Dispatch> orders;
  std::vector<Waiting> refused;
  absl::Status why = OtherTargets(request.id);
  {
    absl::MutexLock lock(&mutex_);
    Lookup lookup = lookups_.Take(request.id);
    refused = lookup.TakeOthers(request);
    if (!lookup.waiting.empty()) {
      const MonoTime now = MonoNow();
      if (absl::Status begun = book_.Begin(request, /*recorded=*/true, now); !begun.ok()) {
        why = std::move(begun);
        std::move(lookup.waiting.begin(), lookup.waiting.end(), std::back_inserter(refused));
      } else {
        auto& listeners = listeners_[request.id];
        for (const Waiting& waiting : lookup.waiting) listeners.push_back(waiting.listener);
        for (const v1::Event& event : recorded.answers) {
          AddressTo(book_.OnCommitted(event), &calls);
        }
        for (const v1::Event& event : lookup.events) AddressTo(book_.OnCommitted(event), &calls);
        orders = book_.OrdersOf(request.id, now);
      }
    }
  }
  for (const Waiting& waiting : refused) waiting.listener->Refused(why);
  Deliver(calls);
  // The order may have reached its node in an earlier life of ours, so nothing is refused here: the
  // node knows the id, or obeys now; a node that cannot be heard leaves it without an answer.
  Dispatch(request, std::move(orders), /*refuse=*/false);
}

void AnswerDesk::OnCommitted(const std::vector<v1::Event>& events) {
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    for (const v1::Event& event : events) {
      const auto order = ParseOrderId(event.order_id());
      if (!order) continue;
      lookups_.Keep(std::string(order->first), event);
      AddressTo(book_.OnCommitted(event), &calls);
    }
  }
  Deliver(calls);
}

void AnswerDesk::OnNodeReturned(const std::string& node) {
  std::vector<AnswerBook::Dispatch> orders;
  {
    absl::MutexLock lock(&mutex_);
    orders = book_.OrdersFor(node, MonoNow());
  }
  ways_.SendAgain(node, std::move(orders));
}

void AnswerDesk::Tick() {
  std::vector<Call> calls;
  {
    absl::MutexLock lock(&mutex_);
    for (AnswerBook::Finished& finished : book_.Expire(MonoNow())) {
      spdlog::warn("request {} has not been answered by all its nodes in time",
                   finished.request_id);
      AddressTo(std::move(finished), &calls);
    }
  }
  Deliver(calls);
}

void AnswerDesk::AddressTo(std::optional<AnswerBook::Finished> finished, std::vector<Call>* calls) {
  if (!finished.has_value()) return;
  Call& call = calls->emplace_back();
  call.outcomes = std::move(finished->outcomes);
  const auto listeners = listeners_.find(finished->request_id);
  if (listeners == listeners_.end()) return;
  call.listeners = std::move(listeners->second);
  listeners_.erase(listeners);
}

void AnswerDesk::Deliver(const std::vector<Call>& calls) {
  for (const Call& call : calls) {
    for (const std::weak_ptr<OutcomeListener>& weak : call.listeners) {
      if (const Listener listener = weak.lock()) listener->Finished(call.outcomes);
    }
  }
}

}  // namespace procctl::controller
