#include "controller/core/order_book.h"

#include <utility>

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

std::vector<int> BatchesOf(const OrderRequest& request) {
  std::vector<int> batches;
  batches.reserve(request.targets.size());
  for (const OrderTarget& target : request.targets) batches.push_back(target.batch);
  return batches;
}

}  // namespace

int RankOf(KillPhase phase) {
  switch (phase) {
    case KillPhase::kWaiting:
      return 0;
    case KillPhase::kDispatched:
      return 1;
    case KillPhase::kTermSent:
      return 2;
    case KillPhase::kKillSent:
      return 3;
    case KillPhase::kDone:
    case KillPhase::kUnresolved:
    case KillPhase::kCancelled:
      return 4;
  }
  return 4;
}

KillPhase PhaseOf(const v1::Event& event) {
  if (event.kind() == v1::EVENT_KIND_TERM_SENT) return KillPhase::kTermSent;
  if (event.kind() == v1::EVENT_KIND_KILL_SENT) return KillPhase::kKillSent;
  if (event.kind() == v1::EVENT_KIND_VERDICT) return KillPhase::kDone;
  return KillPhase::kDispatched;
}

void Fill(const v1::Event& event, Progress* progress) {
  progress->phase = PhaseOf(event);
  progress->kill_sent = event.kill_sent() || progress->phase == KillPhase::kKillSent;
  progress->message = event.message();
  progress->took = FromProto(event.took());
  if (progress->phase != KillPhase::kDone) return;
  progress->verdict = event.verdict();
  progress->refusal = event.refusal();
}

void FillUnresolved(Progress* progress) {
  *progress = {progress->target, progress->order_id, KillPhase::kUnresolved, true};
  progress->message = "no verdict came in time; it will be recorded when the node is heard again";
}

void FillCancelled(Progress* progress) {
  *progress = {progress->target, progress->order_id, KillPhase::kCancelled, true};
  progress->message = "the order was cancelled before its turn; nobody was signalled";
}

OrderBook::Running::Running(OrderRequest order, MonoTime now)
    : request(std::move(order)),
      pacer(request.pace, BatchesOf(request)),
      standing(request.targets.size()),
      ways(request.targets.size(), Way::kWaiting),
      sent_at(request.targets.size(), now),
      open(request.targets.size()),
      overdue(now + Patience(request)) {
  for (size_t i = 0; i < standing.size(); ++i) {
    standing[i].target = i;
    standing[i].order_id = OrderId(request.id, i);
    standing[i].phase = KillPhase::kWaiting;
  }
}

std::chrono::nanoseconds OrderBook::Patience(const OrderRequest& request) {
  return request.time_to_live.value_or(kDefaultTimeToLive) + request.grace.value_or(kAssumedGrace) +
         kSlack;
}

const OrderBook::Running* OrderBook::FindRunning(std::string_view request_id) const {
  const auto it = requests_.find(std::string(request_id));
  return it == requests_.end() ? nullptr : &it->second;
}

OrderBook::Running* OrderBook::FindRunning(std::string_view request_id) {
  const auto it = requests_.find(std::string(request_id));
  return it == requests_.end() ? nullptr : &it->second;
}

OrderBook::Running* OrderBook::Insert(Running running) {
  for (const OrderTarget& target : running.request.targets) {
    requests_of_node_[target.node].insert(running.request.id);
  }
  targets_ += running.request.targets.size();
  std::string id = running.request.id;
  return &requests_.emplace(std::move(id), std::move(running)).first->second;
}

absl::Status OrderBook::Begin(OrderRequest request, bool recorded, MonoTime now,
                              WallTime received_at) {
  const size_t most = request.GoesAtOnce() ? kMostTargets : kMostTargets - kLeftForUnpaced;
  if (targets_ + request.targets.size() > most) {
    return absl::UnavailableError(
        fmt::format("{} targets are being stopped already and {} is the most at a time; repeat "
                    "with the same request id in a minute, and look for orders that are paused: "
                    "procctl-cli orders",
                    targets_, most));
  }
  Running* running = Insert(Running(std::move(request), now));
  running->recorded = recorded;
  running->received_at = received_at;
  running->pacer.RestoreState(v1::ORDER_STATE_RUNNING,
                              Sentence("begun", running->request.issuer, running->request.reason));
  if (!running->request.GoesAtOnce()) return absl::OkStatus();
  // All of them: there is nothing to wait for.
  for (const size_t target : running->pacer.Next(now).send) {
    running->ways[target] = Way::kOpen;
    running->standing[target].phase = KillPhase::kDispatched;
  }
  return absl::OkStatus();
}

absl::Status OrderBook::Restore(Earlier earlier, MonoTime now) {
  if (targets_ + earlier.request.targets.size() > kMostTargets) {
    return absl::ResourceExhaustedError(
        fmt::format("{} targets are more than the {} that can be under way",
                    targets_ + earlier.request.targets.size(), kMostTargets));
  }
  Running* running = Insert(Running(std::move(earlier.request), now));
  running->recorded = true;
  running->received_at = earlier.received_at;
  bool all_sent = true;
  for (size_t i = 0; i < running->ways.size(); ++i) {
    if (i >= earlier.sent.size() || !earlier.sent[i]) {
      all_sent = false;
      continue;
    }
    running->pacer.RestoreSent(i);
    running->ways[i] = Way::kEarlier;
    running->standing[i].phase = KillPhase::kDispatched;
  }
  running->told_state = earlier.state;
  if (earlier.state == v1::ORDER_STATE_RUNNING && !all_sent) {
    // Nobody may be there any more who watches what it does.
    earlier.state = v1::ORDER_STATE_PAUSED;
    earlier.message = fmt::format(
        "the controller was started again meanwhile; resume with: procctl-cli order {} --resume",
        running->request.id);
  }
  running->pacer.RestoreState(earlier.state, std::move(earlier.message));
  return absl::OkStatus();
}

const OrderRequest* OrderBook::Find(std::string_view request_id) const {
  const Running* running = FindRunning(request_id);
  return running == nullptr ? nullptr : &running->request;
}

std::vector<Progress> OrderBook::Standing(std::string_view request_id) const {
  const Running* running = FindRunning(request_id);
  if (running == nullptr) return {};
  std::vector<Progress> standing = running->standing;
  for (Progress& progress : standing) {
    // A verdict whose request is not recorded yet is not told yet.
    if (progress.phase == KillPhase::kDone && !progress.done) {
      progress = {progress.target, progress.order_id};
    }
  }
  return standing;
}

OrderStanding OrderBook::LookAt(const Running& running) {
  OrderStanding standing;
  standing.request_id = running.request.id;
  standing.state = running.pacer.state();
  standing.message = running.pacer.message();
  standing.issuer = running.request.issuer;
  standing.reason = running.request.reason;
  standing.received_at = running.received_at;
  standing.targets = static_cast<int>(running.standing.size());
  standing.waiting = running.pacer.waiting();
  standing.under_way = running.pacer.under_way();
  standing.done = running.pacer.done();
  standing.failed = running.pacer.failed();
  standing.batch = running.pacer.batch();
  standing.batches = running.pacer.batches();
  standing.pace = running.request.pace;
  return standing;
}

std::optional<OrderStanding> OrderBook::Look(std::string_view request_id) const {
  const Running* running = FindRunning(request_id);
  if (running == nullptr) return std::nullopt;
  return LookAt(*running);
}

bool OrderBook::EndRecorded(std::string_view request_id) const {
  const Running* running = FindRunning(request_id);
  return running != nullptr && running->end_recorded;
}

std::vector<std::string> OrderBook::Ids() const {
  std::vector<std::string> ids;
  ids.reserve(requests_.size());
  for (const auto& [id, running] : requests_) ids.push_back(id);
  return ids;
}

std::optional<v1::Order> OrderBook::OrderOf(const Running& running, size_t target, MonoTime now) {
  if (RankOf(running.standing[target].phase) >= RankOf(KillPhase::kDone)) return std::nullopt;
  const Way way = running.ways[target];
  if (way != Way::kOpen && way != Way::kGiven) return std::nullopt;
  const OrderRequest& request = running.request;
  const std::chrono::nanoseconds left =
      request.time_to_live.value_or(kDefaultTimeToLive) - (now - running.sent_at[target]);
  if (left <= std::chrono::nanoseconds(0)) return std::nullopt;
  v1::Order order;
  order.set_order_id(running.standing[target].order_id);
  order.set_slot(request.targets[target].label);
  *order.mutable_incarnation() = request.targets[target].incarnation;
  if (request.grace) *order.mutable_grace() = ToProto(*request.grace);
  *order.mutable_time_to_live() = ToProto(left);
  order.set_issuer(request.issuer);
  order.set_reason(request.reason);
  return order;
}

std::vector<OrderBook::Dispatch> OrderBook::OrdersOf(std::string_view request_id,
                                                     MonoTime now) const {
  std::vector<Dispatch> orders;
  const Running* running = FindRunning(request_id);
  if (running == nullptr) return orders;
  for (size_t i = 0; i < running->standing.size(); ++i) {
    if (auto order = OrderOf(*running, i, now)) {
      orders.push_back({i, running->request.targets[i].node, *std::move(order)});
    }
  }
  return orders;
}

std::vector<OrderBook::Dispatch> OrderBook::OrdersFor(std::string_view node, MonoTime now) {
  std::vector<Dispatch> orders;
  const auto requests = requests_of_node_.find(std::string(node));
  if (requests == requests_of_node_.end()) return orders;
  for (const std::string& id : requests->second) {
    Running& running = requests_.at(id);
    for (size_t i = 0; i < running.standing.size(); ++i) {
      if (running.request.targets[i].node != node) continue;
      auto order = OrderOf(running, i, now);
      if (!order) continue;
      running.ways[i] = Way::kGiven;
      orders.push_back({i, std::string(node), *std::move(order)});
    }
  }
  return orders;
}

bool OrderBook::Refuse(std::string_view request_id, size_t target) {
  Running* running = FindRunning(request_id);
  if (running == nullptr || running->ways[target] == Way::kGiven) return false;
  running->ways[target] = Way::kRefused;
  return true;
}

std::vector<OrderBook::News> OrderBook::OnCommitted(const v1::Event& event, MonoTime now) {
  const auto parsed = ParseOrderId(event.order_id());
  if (!parsed) return {};
  Running* running = FindRunning(parsed->first);
  if (running == nullptr || parsed->second >= running->standing.size()) return {};
  const OrderTarget& target = running->request.targets[parsed->second];
  Progress& progress = running->standing[parsed->second];
  if (target.node != event.node()) return {};
  const KillPhase phase = PhaseOf(event);
  if (RankOf(phase) <= RankOf(progress.phase) || progress.phase == KillPhase::kWaiting) return {};
  Fill(event, &progress);
  if (phase == KillPhase::kDone) {
    running->pacer.Ended(parsed->second, HasStopped(event.verdict()),
                         target.planned == v1::PLANNED_OUTCOME_RESTART, now);
    if (!running->recorded) return {};
    progress.done = true;
    --running->open;
  }
  std::vector<News> news = {{std::string(parsed->first), progress}};
  EraseIfFinished(news.front().request_id);
  return news;
}

std::vector<OrderBook::News> OrderBook::OnRecorded(std::string_view request_id) {
  Running* running = FindRunning(request_id);
  if (running == nullptr || running->recorded) return {};
  running->recorded = true;
  std::vector<News> news;
  for (Progress& progress : running->standing) {
    if (progress.phase != KillPhase::kDone) continue;
    progress.done = true;
    --running->open;
    news.push_back({std::string(request_id), progress});
  }
  EraseIfFinished(request_id);
  return news;
}

std::vector<OrderBook::News> OrderBook::Expire(MonoTime now) {
  std::vector<News> news;
  std::vector<std::string> over;
  for (auto& [id, running] : requests_) {
    if (running.pacer.ended() && running.open == 0 && now > running.ended_at + kMostUnrecorded) {
      over.push_back(id);
    }
    if (now <= running.overdue) continue;
    const std::chrono::nanoseconds patience = Patience(running.request);
    running.overdue = now + patience;
    for (size_t i = 0; i < running.standing.size(); ++i) {
      Progress& progress = running.standing[i];
      if (progress.done || progress.phase == KillPhase::kWaiting) continue;
      if (now <= running.sent_at[i] + patience) {
        running.overdue = std::min(running.overdue, running.sent_at[i] + patience);
        continue;
      }
      const bool verdict_came = progress.phase == KillPhase::kDone;
      FillUnresolved(&progress);
      if (verdict_came) {
        progress.message =
            "the verdict came, but the request could not be recorded: look at the controller's "
            "disk";
      }
      running.pacer.Ended(i, /*stopped=*/false, /*comes_back=*/false, now);
      --running.open;
      news.push_back({id, progress});
    }
  }
  for (const std::string& id : over) Erase(id);
  return news;
}

void OrderBook::EraseIfFinished(std::string_view request_id) {
  const Running* running = FindRunning(request_id);
  if (running == nullptr || running->open > 0 || !running->end_recorded) return;
  Erase(std::string(request_id));
}

void OrderBook::Erase(const std::string& request_id) {
  const auto it = requests_.find(request_id);
  if (it == requests_.end()) return;
  targets_ -= it->second.standing.size();
  for (const OrderTarget& target : it->second.request.targets) {
    const auto node = requests_of_node_.find(target.node);
    if (node == requests_of_node_.end()) continue;
    node->second.erase(it->first);
    if (node->second.empty()) requests_of_node_.erase(node);
  }
  requests_.erase(it);
}

}  // namespace procctl::controller
