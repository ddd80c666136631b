#include "controller/core/order_request.h"

#include <algorithm>
#include <charconv>

#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostIdBytes = 64;
constexpr size_t kMostLabelBytes = 1024;

bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool SameIncarnation(const v1::Incarnation& a, const v1::Incarnation& b) {
  return a.pid() == b.pid() && a.start_ticks() == b.start_ticks() &&
         a.generation() == b.generation() && a.boot_id() == b.boot_id();
}

absl::Status CheckHold(const OrderRequest& request) {
  if (request.act == Act::kHold) {
    if (!request.hold_for || request.hold_for->count() <= 0 || *request.hold_for > kMostHold) {
      return absl::InvalidArgumentError(fmt::format(
          "hold_for {}s; a hold needs more than 0 and at most 24 hours",
          request.hold_for.value_or(std::chrono::nanoseconds(0)).count() / 1'000'000'000));
    }
    if (request.reason.empty()) {
      return absl::InvalidArgumentError(
          "reason is empty; a hold needs one, for whoever finds it later");
    }
  }
  if (request.act == Act::kRelease && request.hold_for) {
    return absl::InvalidArgumentError("hold_for is for a hold; leave it out to release");
  }
  return absl::OkStatus();
}

std::string WhyRefused(Act act, const std::string& node, v1::Refusal refusal) {
  if (refusal == v1::REFUSAL_NO_SUCH_NODE) return fmt::format("no node {} was ever seen", node);
  if (refusal == v1::REFUSAL_NODE_UNREACHABLE) {
    return fmt::format("node {} has no session with this controller", node);
  }
  return fmt::format("node {} is of a version that knows no {}; update procctl there", node,
                     FeatureFor(act));
}

bool IsComplete(const v1::Incarnation& process) {
  return process.pid() > 1 && process.start_ticks() >= 0 && process.generation() > 0 &&
         !process.boot_id().empty() && process.boot_id().size() <= 64;
}

absl::Status CheckTarget(Act act, const OrderTarget& target, size_t index) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("targets[{}]: {}", index, why));
  };
  if (target.node.empty() || target.node.size() > 63) {
    return refuse("node must be 1 to 63 characters");
  }
  const std::string_view labelled = IsProgramAct(act) ? "program" : "slot";
  if (target.label.size() > kMostLabelBytes) {
    return refuse(fmt::format("{} is over 1024 bytes", labelled));
  }
  if (act == Act::kReload && !target.label.empty()) {
    return refuse("a reload is of the whole node; leave program out");
  }
  if (IsProgramAct(act) && act != Act::kReload && target.label.empty()) {
    return refuse("program is empty; send the label of its row as ListPrograms showed it");
  }
  if (target.any_life && IsProgramAct(act)) return absl::OkStatus();
  if (!EndsALife(act) && IsProgramAct(act)) {
    return refuse("an incarnation is for stop and restart only; leave it out");
  }
  if (!IsComplete(target.incarnation)) {
    return refuse(fmt::format(
        "the incarnation is incomplete; send boot_id, pid (2 or more), start_ticks and generation "
        "as {} showed them",
        IsProgramAct(act) ? "ListPrograms" : "ListSlots"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckRequestId(std::string_view id) {
  if (!id.empty() && id.size() <= kMostIdBytes &&
      std::all_of(id.begin(), id.end(), IsIdCharacter)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("request_id \"{}\" is not 1 to 64 of [A-Za-z0-9._-]; use a new UUID",
                  Escape(id.substr(0, 80))));
}

absl::Status CheckOrderRequest(const OrderRequest& request, size_t most_targets) {
  if (absl::Status id = CheckRequestId(request.id); !id.ok()) return id;
  if (request.targets.empty() || request.targets.size() > most_targets) {
    return absl::InvalidArgumentError(
        fmt::format("{} targets; a request holds 1 to {}", request.targets.size(), most_targets));
  }
  if (request.grace && (request.grace->count() < 0 || *request.grace > kMostGrace)) {
    return absl::InvalidArgumentError(
        fmt::format("grace {}s; it must be 0 to 1 hour", request.grace->count() / 1'000'000'000));
  }
  if (request.time_to_live &&
      (request.time_to_live->count() <= 0 || *request.time_to_live > kMostTimeToLive)) {
    return absl::InvalidArgumentError(
        fmt::format("time_to_live {}s; it must be more than 0 and at most 5 minutes",
                    request.time_to_live->count() / 1'000'000'000));
  }
  if (absl::Status hold = CheckHold(request); !hold.ok()) return hold;
  if (request.reason.size() > kMostReasonBytes) {
    return absl::InvalidArgumentError(fmt::format("reason of {} bytes; at most {} are kept",
                                                  request.reason.size(), kMostReasonBytes));
  }
  for (size_t i = 0; i < request.targets.size(); ++i) {
    if (absl::Status target = CheckTarget(request.act, request.targets[i], i); !target.ok())
      return target;
  }
  return absl::OkStatus();
}

bool SameTargets(const OrderRequest& a, const OrderRequest& b) {
  // Who applies a plan again may have nothing but its hash left, which is of all its targets.
  if (!a.plan_hash.empty() || !b.plan_hash.empty()) return a.plan_hash == b.plan_hash;
  // Of a slot the label is for the record; of a program it is what is meant.
  const bool by_label = IsProgramAct(a.act);
  return a.act == b.act &&
         std::equal(a.targets.begin(), a.targets.end(), b.targets.begin(), b.targets.end(),
                    [&](const OrderTarget& x, const OrderTarget& y) {
                      return x.node == y.node && SameIncarnation(x.incarnation, y.incarnation) &&
                             (!by_label || x.label == y.label);
                    });
}

absl::Status OtherTargets(std::string_view request_id) {
  return absl::AlreadyExistsError(fmt::format(
      "request {} was made before with other targets, or to do something else; a new request needs "
      "a new request_id",
      request_id));
}

std::string OrderId(std::string_view request_id, size_t target) {
  return fmt::format("{}/{}", request_id, target);
}

std::optional<std::pair<std::string_view, size_t>> ParseOrderId(std::string_view order_id) {
  const size_t slash = order_id.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  const std::string_view digits = order_id.substr(slash + 1);
  size_t target = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), target);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return std::make_pair(order_id.substr(0, slash), target);
}

v1::Event RefusedVerdict(const OrderRequest& request, size_t target, v1::Refusal refusal,
                         WallTime at) {
  const OrderTarget& wanted = request.targets[target];
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_severity(v1::SEVERITY_WARNING);
  event.set_node(wanted.node);
  IsProgramAct(request.act) ? event.set_program(wanted.label) : event.set_slot(wanted.label);
  if (!wanted.any_life) *event.mutable_incarnation() = wanted.incarnation;
  *event.mutable_at() = ToProto(at);
  if (request.act == Act::kStop) event.set_cause(v1::CAUSE_OPERATOR);
  event.set_verdict(v1::VERDICT_REFUSED);
  event.set_refusal(refusal);
  event.set_order_id(OrderId(request.id, target));
  event.set_issuer(request.issuer);
  event.set_reason(request.reason);
  event.set_message(fmt::format("{}; {}", WhyRefused(request.act, wanted.node, refusal),
                                NothingDone(request.act)));
  return event;
}

}  // namespace procctl::controller
