#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/order_follow.h"
#include "cli/order_options.h"
#include "cli/render.h"
#include "cli/render_orders.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr size_t kNewestOrders = 50;

v1::OrderAction ActionOf(const OrderOptions& order) {
  if (order.pause) return v1::ORDER_ACTION_PAUSE;
  if (order.resume) return v1::ORDER_ACTION_RESUME;
  return order.cancel ? v1::ORDER_ACTION_CANCEL : v1::ORDER_ACTION_UNSPECIFIED;
}

// Who the targets are: the stream numbers them, and the events of their orders name them. A verdict
// that is told is committed, so its event is there.
class TargetNames {
 public:
  TargetNames(std::string request_id, Timeout timeout, Client* client)
      : request_id_(std::move(request_id)), timeout_(timeout), client_(client) {
    Ask(fmt::format("order={}/*", request_id_));
  }

  v1::KillTarget Name(const v1::TargetProgress& progress) {
    const auto known = names_.find(progress.order_id());
    if (known != names_.end()) return known->second;
    const bool recorded =
        progress.phase() != v1::KILL_PHASE_WAITING && progress.phase() != v1::KILL_PHASE_CANCELLED;
    if (recorded) Ask(fmt::format("order={}", progress.order_id()));
    const auto found = names_.find(progress.order_id());
    if (found != names_.end()) return found->second;
    v1::KillTarget target;
    target.set_node("order");
    target.set_slot(progress.order_id());
    return target;
  }

 private:
  void Ask(const std::string& filter) {
    v1::ListEventsRequest request;
    request.set_filter(filter);
    // Without an answer the targets go by their numbers.
    (void)client_->ListEvents(request, timeout_, [&](const v1::ListEventsResponse& page) {
      for (const v1::StoredEvent& stored : page.events()) {
        v1::KillTarget& target = names_[stored.event().order_id()];
        target.set_node(stored.event().node());
        target.set_slot(stored.event().slot());
        *target.mutable_incarnation() = stored.event().incarnation();
      }
    });
  }

  const std::string request_id_;
  const Timeout timeout_;
  Client* const client_;
  std::map<std::string, v1::KillTarget> names_;
};

// Verdicts as they come, each as the line of a kill.
class Verdicts {
 public:
  Verdicts(const std::string& id, Timeout timeout, const Screen& screen, Client* client)
      : names_(id, timeout, client), screen_(screen) {}

  void Tell(const v1::TargetProgress& progress) {
    if (!progress.done() || !told_.emplace(progress.target(), progress).second) return;
    if (screen_.json()) return;
    KillStory story({names_.Name(progress)}, std::chrono::nanoseconds(0));
    v1::TargetProgress alone = progress;
    alone.set_target(0);
    screen_.Print(story.Tell(alone));
  }

  // `cancels`: that targets were never sent is what was wanted.
  ExitCode Code(bool cancels) const {
    std::vector<ExitCode> codes;
    for (const auto& [target, progress] : told_) {
      const bool as_wanted = cancels && progress.phase() == v1::KILL_PHASE_CANCELLED;
      codes.push_back(as_wanted ? ExitCode::kOk : ExitCodeFor(progress));
    }
    return Combine(codes);
  }

  std::string Json() {
    std::string rows;
    for (const auto& [target, progress] : told_) {
      rows += fmt::format("{}{{\"target\":{},\"progress\":{}}}", rows.empty() ? "\n" : ",\n",
                          JsonObject(names_.Name(progress)), JsonObject(progress));
    }
    return rows;
  }

 private:
  TargetNames names_;
  const Screen& screen_;
  std::map<int, v1::TargetProgress> told_;
};

ExitCode Follow(const Options& options, const std::string& id, const Screen& screen, Client* client,
                const WatchInterrupt& watch_interrupt) {
  Verdicts verdicts(id, AnswerTime(options), screen, client);
  OrderFollow follow(id, screen, client,
                     [&](const v1::TargetProgress& progress) { verdicts.Tell(progress); });
  const std::stop_token detach = watch_interrupt();
  const Deadline deadline =
      std::chrono::steady_clock::now() + options.timeout.value_or(kMostFollowed);
  const absl::Status status = follow.Run(
      [&](std::stop_token stop, const OnKillMessage& on_message) {
        return client->WatchOrder(id, deadline, std::move(stop), on_message);
      },
      deadline, detach);
  if (screen.json() && follow.accepted()) {
    screen.Print(fmt::format("{{\"apiVersion\":\"{}\",\"order\":{},\"targets\":[{}]}}\n",
                             kApiVersion, JsonObject(follow.status()), verdicts.Json()));
  } else if (follow.ended()) {
    screen.Print("\n" + OrderLine(follow.status()) + "\n");
  }
  if (follow.halted()) {
    return screen.Fail(ExitCode::kFailed,
                       absl::FailedPreconditionError(fmt::format(
                           "order {0} has halted\ngo on: procctl-cli order {0} --resume", id)),
                       id);
  }
  if (absl::IsCancelled(status)) {
    return screen.Fail(ExitCode::kInterrupted,
                       absl::CancelledError(fmt::format(
                           "no longer waiting; the order stays as it is\n{}", HowToReturn(id))),
                       id);
  }
  if (!status.ok()) return screen.Fail(ExitCodeFor(status), status, id);
  return verdicts.Code(options.order.cancel);
}

}  // namespace

ExitCode OrderCommand(const Options& options, const Screen& screen, Client* client,
                      const WatchInterrupt& watch_interrupt) {
  const std::string id = options.targets.empty() ? "" : options.targets.front();
  const v1::OrderAction action = ActionOf(options.order);
  if (action == v1::ORDER_ACTION_UNSPECIFIED) {
    return Follow(options, id, screen, client, watch_interrupt);
  }
  v1::SteerOrderRequest request;
  request.set_request_id(id);
  request.set_all(options.order.all);
  request.set_action(action);
  request.set_reason(options.reason);
  const auto steered = client->SteerOrder(request, AnswerTime(options));
  if (!steered.ok()) return screen.Fail(ExitCodeFor(steered.status()), steered.status(), id);
  // A paused order has nothing to tell until somebody resumes it.
  if (options.order.all || action == v1::ORDER_ACTION_PAUSE) {
    const std::vector<v1::OrderStatus> orders(steered->orders().begin(), steered->orders().end());
    if (screen.json()) {
      screen.Print(OrdersJson(orders));
    } else if (orders.empty()) {
      screen.Print("No order is under way.\n");
    }
    for (const v1::OrderStatus& order : orders) {
      if (!screen.json()) screen.Print(OrderLine(order) + "\n");
    }
    return ExitCode::kOk;
  }
  return Follow(options, id, screen, client, watch_interrupt);
}

ExitCode OrdersCommand(const Options& options, const Screen& screen, Client* client) {
  const size_t newest = options.newest ? static_cast<size_t>(*options.newest) : kNewestOrders;
  const auto orders = client->ListOrders(options.order.only_running, newest, AnswerTime(options));
  if (!orders.ok()) return screen.Fail(ExitCodeFor(orders.status()), orders.status());
  screen.Print(screen.json() ? OrdersJson(*orders) : RenderOrders(*orders, screen.colour()));
  return ExitCode::kOk;
}

}  // namespace procctl::cli
