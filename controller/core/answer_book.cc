#include "controller/core/answer_book.h"

#include <utility>

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

std::string Cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  // Not inside a UTF-8 sequence: a strict reader would drop the whole message.
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

v1::HoldOrder MakeHoldOrder(const OrderRequest& request, const OrderTarget& target) {
  v1::HoldOrder order;
  order.set_slot(target.label);
  *order.mutable_incarnation() = target.incarnation;
  order.set_release(request.act == Act::kRelease);
  if (request.hold_for) *order.mutable_hold_for() = ToProto(*request.hold_for);
  return order;
}

v1::ProgramAction ActionOf(Act act) {
  switch (act) {
    case Act::kProgramStart:
      return v1::PROGRAM_ACTION_START;
    case Act::kProgramStop:
      return v1::PROGRAM_ACTION_STOP;
    case Act::kProgramRestart:
      return v1::PROGRAM_ACTION_RESTART;
    case Act::kProgramRetry:
      return v1::PROGRAM_ACTION_RETRY;
    case Act::kReload:
      return v1::PROGRAM_ACTION_RELOAD;
    case Act::kStop:
    case Act::kHold:
    case Act::kRelease:
      break;
  }
  return v1::PROGRAM_ACTION_UNSPECIFIED;
}

v1::ProgramOrder MakeProgramOrder(Act act, const OrderTarget& target) {
  v1::ProgramOrder order;
  order.set_action(ActionOf(act));
  order.set_program(target.label);
  if (!target.any_life) *order.mutable_incarnation() = target.incarnation;
  return order;
}

bool IsDone(const v1::Event& answer) {
  return answer.kind() != v1::EVENT_KIND_VERDICT && answer.kind() != v1::EVENT_KIND_CONFIG_REFUSED;
}

}  // namespace

absl::Status AnswerBook::Begin(OrderRequest request, bool recorded, MonoTime now) {
  if (targets_ + request.targets.size() > kMostTargets) {
    return absl::UnavailableError(fmt::format(
        "{} orders wait for their nodes already and {} is the most at a time; repeat with the same "
        "request id in a minute",
        targets_, kMostTargets));
  }
  Running running;
  running.recorded = recorded;
  running.began = now;
  running.overdue = now + request.time_to_live.value_or(kDefaultTimeToLive) + kSlack;
  running.open = request.targets.size();
  running.outcomes.resize(request.targets.size());
  running.ways.resize(request.targets.size(), Way::kOpen);
  for (size_t i = 0; i < request.targets.size(); ++i) {
    running.outcomes[i].order_id = OrderId(request.id, i);
  }
  targets_ += request.targets.size();
  std::string id = request.id;
  running.request = std::move(request);
  requests_.emplace(std::move(id), std::move(running));
  return absl::OkStatus();
}

const OrderRequest* AnswerBook::Find(std::string_view request_id) const {
  const auto it = requests_.find(std::string(request_id));
  return it == requests_.end() ? nullptr : &it->second.request;
}

std::optional<OrderMessage> AnswerBook::OrderOf(const Running& running, size_t target,
                                                MonoTime now) {
  if (running.outcomes[target].answered) return std::nullopt;
  if (running.ways[target] == Way::kRefused) return std::nullopt;
  const OrderRequest& request = running.request;
  const std::chrono::nanoseconds left =
      request.time_to_live.value_or(kDefaultTimeToLive) - (now - running.began);
  if (left <= std::chrono::nanoseconds(0)) return std::nullopt;
  OrderMessage message = IsProgramAct(request.act)
                             ? OrderMessage(MakeProgramOrder(request.act, request.targets[target]))
                             : OrderMessage(MakeHoldOrder(request, request.targets[target]));
  std::visit(
      [&](auto& order) {
        order.set_order_id(running.outcomes[target].order_id);
        *order.mutable_time_to_live() = ToProto(left);
        order.set_issuer(request.issuer);
        order.set_reason(request.reason);
      },
      message);
  return message;
}

std::vector<AnswerBook::Dispatch> AnswerBook::OrdersOf(std::string_view request_id,
                                                       MonoTime now) const {
  std::vector<Dispatch> orders;
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end()) return orders;
  for (size_t i = 0; i < it->second.outcomes.size(); ++i) {
    if (auto order = OrderOf(it->second, i, now)) {
      orders.push_back({i, it->second.request.targets[i].node, *std::move(order)});
    }
  }
  return orders;
}

std::vector<AnswerBook::Dispatch> AnswerBook::OrdersFor(std::string_view node, MonoTime now) {
  std::vector<Dispatch> orders;
  for (auto& [id, running] : requests_) {
    for (size_t i = 0; i < running.outcomes.size(); ++i) {
      if (running.request.targets[i].node != node) continue;
      if (auto order = OrderOf(running, i, now)) {
        running.ways[i] = Way::kGiven;
        orders.push_back({i, std::string(node), *std::move(order)});
      }
    }
  }
  return orders;
}

bool AnswerBook::Refuse(std::string_view request_id, size_t target) {
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end() || it->second.ways[target] == Way::kGiven) return false;
  it->second.ways[target] = Way::kRefused;
  return true;
}

std::optional<AnswerBook::Finished> AnswerBook::OnCommitted(const v1::Event& event) {
  const auto parsed = ParseOrderId(event.order_id());
  if (!parsed) return std::nullopt;
  const auto it = requests_.find(std::string(parsed->first));
  if (it == requests_.end() || parsed->second >= it->second.outcomes.size()) return std::nullopt;
  Running& running = it->second;
  Outcome& outcome = running.outcomes[parsed->second];
  if (outcome.answered || !IsAnswer(running.request.act, event) ||
      running.request.targets[parsed->second].node != event.node()) {
    return std::nullopt;
  }
  outcome.answered = true;
  outcome.done = IsDone(event);
  outcome.verdict = event.verdict();
  // An event of its own says this; to the caller it is an order that was not obeyed.
  if (event.kind() == v1::EVENT_KIND_CONFIG_REFUSED) outcome.verdict = v1::VERDICT_REFUSED;
  outcome.refusal = event.refusal();
  outcome.message = Cut(event.message(), kMostMessageBytes);
  if (event.has_hold_until()) outcome.until = FromProto(event.hold_until());
  --running.open;
  return TakeIfFinished(it);
}

std::optional<AnswerBook::Finished> AnswerBook::OnRecorded(std::string_view request_id) {
  const auto it = requests_.find(std::string(request_id));
  if (it == requests_.end()) return std::nullopt;
  it->second.recorded = true;
  return TakeIfFinished(it);
}

std::vector<AnswerBook::Finished> AnswerBook::Expire(MonoTime now) {
  std::vector<std::string> overdue;
  for (auto& [id, running] : requests_) {
    if (now <= running.overdue) continue;
    overdue.push_back(id);
    for (Outcome& outcome : running.outcomes) {
      if (outcome.answered && running.recorded) continue;
      const bool answer_came = outcome.answered;
      outcome = {.order_id = std::move(outcome.order_id)};
      outcome.message =
          answer_came
              ? "the answer came, but the request could not be recorded: look at the controller's "
                "disk"
              : "no answer came in time; what the node does with the order will be recorded when "
                "it is heard again";
    }
  }
  std::vector<Finished> finished;
  finished.reserve(overdue.size());
  for (const std::string& id : overdue) finished.push_back(Take(requests_.find(id)));
  return finished;
}

std::optional<AnswerBook::Finished> AnswerBook::TakeIfFinished(Requests::iterator it) {
  if (it->second.open > 0 || !it->second.recorded) return std::nullopt;
  return Take(it);
}

AnswerBook::Finished AnswerBook::Take(Requests::iterator it) {
  targets_ -= it->second.outcomes.size();
  Finished finished{it->first, std::move(it->second.outcomes)};
  requests_.erase(it);
  return finished;
}

}  // namespace procctl::controller
