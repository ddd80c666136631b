#include "controller/core/order_book.h"

#include <utility>

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {

absl::Status OrderBook::Begin(OrderRequest request, bool recorded, MonoTime now) {
  if (targets_ + request.targets.size() > kMostTargets) {
    return absl::UnavailableError(fmt::format(
        "{} targets are being stopped already and {} is the most at a time; repeat with "
        "the same request id in a minute",
        targets_, kMostTargets));
  }
  Running running;
  running.recorded = recorded;
  running.began = now;
  running.overdue = now + request.time_to_live.value_or(kDefaultTimeToLive) +
                    request.grace.value_or(kAssumedGrace) + kSlack;
  running.open = request.targets.size();
  running.standing.resize(request.targets.size());
  running.ways.resize(request.targets.size(), Way::kOpen);
  for (size_t i = 0; i < request.targets.size(); ++i) {
    running.standing[i].target = i;
    running.standing[i].order_id = OrderId(request.id, i);
    requests_of_node_[request.targets[i].node].insert(request.id);
  }
  targets_ += request.targets.size();
  std::string id = request.id;
  running.request = std::move(request);
  requests_.emplace(std::move(id), std::move(running));
  return absl::OkStatus();
}

const OrderRequest* OrderBook::Find(std::string_view request_id) const {
  const auto it = requests_.find(std::string(request_id));
  return it == requests_.end() ? nullptr : &it->second.request;
}

std::vector<Progress> OrderBook::Standing(std::string_view request_id) const {
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end()) return {};
  std::vector<Progress> standing = it->second.standing;
  for (Progress& progress : standing) {
    // A verdict whose request is not recorded yet is not told yet.
    if (progress.phase == KillPhase::kDone && !progress.done) {
      progress = {progress.target, progress.order_id};
    }
  }
  return standing;
}

std::optional<v1::Order> OrderBook::OrderOf(const Running& running, size_t target, MonoTime now) {
  if (running.standing[target].phase >= KillPhase::kDone) return std::nullopt;
  if (running.ways[target] == Way::kRefused) return std::nullopt;
  const OrderRequest& request = running.request;
  const std::chrono::nanoseconds left =
      request.time_to_live.value_or(kDefaultTimeToLive) - (now - running.began);
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
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end()) return orders;
  for (size_t i = 0; i < it->second.standing.size(); ++i) {
    if (auto order = OrderOf(it->second, i, now)) {
      orders.push_back({i, it->second.request.targets[i].node, *std::move(order)});
    }
  }
  return orders;
}

std::vector<OrderBook::Dispatch> OrderBook::OrdersFor(std::string_view node, MonoTime now) {
  std::vector<Dispatch> orders;
  const auto requests = requests_of_node_.find(std::string(node));
  if (requests == requests_of_node_.end()) return orders;
  for (const std::string& id : requests->second) {
    for (Dispatch& dispatch : OrdersOf(id, now)) {
      if (dispatch.node != node) continue;
      requests_.at(id).ways[dispatch.target] = Way::kGiven;
      orders.push_back(std::move(dispatch));
    }
  }
  return orders;
}

bool OrderBook::Refuse(std::string_view request_id, size_t target) {
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end() || it->second.ways[target] == Way::kGiven) return false;
  it->second.ways[target] = Way::kRefused;
  return true;
}

std::vector<OrderBook::News> OrderBook::OnCommitted(const v1::Event& event) {
  const auto parsed = ParseOrderId(event.order_id());
  if (!parsed) return {};
  const auto it = requests_.find(std::string(parsed->first));
  if (it == requests_.end() || parsed->second >= it->second.standing.size()) return {};
  Running& running = it->second;
  Progress& progress = running.standing[parsed->second];
  if (running.request.targets[parsed->second].node != event.node()) return {};

  KillPhase phase = KillPhase::kDispatched;
  if (event.kind() == v1::EVENT_KIND_TERM_SENT) phase = KillPhase::kTermSent;
  if (event.kind() == v1::EVENT_KIND_KILL_SENT) phase = KillPhase::kKillSent;
  if (event.kind() == v1::EVENT_KIND_VERDICT) phase = KillPhase::kDone;
  if (phase <= progress.phase) return {};
  progress.phase = phase;
  progress.kill_sent = event.kill_sent() || phase == KillPhase::kKillSent;
  progress.message = event.message();
  progress.took = FromProto(event.took());
  if (phase == KillPhase::kDone) {
    progress.verdict = event.verdict();
    progress.refusal = event.refusal();
    if (!running.recorded) return {};
    progress.done = true;
    --running.open;
  }
  std::vector<News> news = {{std::string(parsed->first), progress}};
  EraseIfFinished(news.front().request_id);
  return news;
}

std::vector<OrderBook::News> OrderBook::OnRecorded(std::string_view request_id) {
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end() || it->second.recorded) return {};
  it->second.recorded = true;
  std::vector<News> news;
  for (Progress& progress : it->second.standing) {
    if (progress.phase != KillPhase::kDone) continue;
    progress.done = true;
    --it->second.open;
    news.push_back({std::string(request_id), progress});
  }
  EraseIfFinished(request_id);
  return news;
}

std::vector<OrderBook::News> OrderBook::Expire(MonoTime now) {
  std::vector<News> news;
  std::vector<std::string> overdue;
  for (auto& [id, running] : requests_) {
    if (now <= running.overdue) continue;
    overdue.push_back(id);
    for (Progress& progress : running.standing) {
      if (progress.done) continue;
      const bool verdict_came = progress.phase == KillPhase::kDone;
      progress = {progress.target, progress.order_id, KillPhase::kUnresolved, true};
      progress.message =
          verdict_came
              ? "the verdict came, but the request could not be recorded: look at the "
                "controller's disk"
              : "no verdict came in time; it will be recorded when the node is heard again";
      --running.open;
      news.push_back({id, progress});
    }
  }
  for (const std::string& id : overdue) EraseIfFinished(id);
  return news;
}

void OrderBook::EraseIfFinished(std::string_view request_id) {
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end() || it->second.open > 0) return;
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
