#include "tests/fleetsim/order_desk.h"

#include <memory>
#include <utility>

#include "proto/support/time_convert.h"

namespace procctl::fleetsim {
namespace {

// As many as a real node remembers.
constexpr std::size_t kMostKnown = 10'000;
// How long a simulated process takes to end after its SIGTERM.
constexpr auto kSlowestEnd = std::chrono::milliseconds(300);

template <typename AnyOrder>
std::unique_ptr<OrderFacts> FactsOf(const AnyOrder& order) {
  auto facts = std::make_unique<OrderFacts>();
  facts->order_id = order.order_id();
  facts->issuer = order.issuer();
  facts->reason = order.reason();
  facts->incarnation = order.incarnation();
  return facts;
}

template <typename AnyOrder>
OrderDesk::Answer Make(const AnyOrder& order, v1::EventKind kind) {
  OrderDesk::Answer answer;
  answer.event.kind = kind;
  answer.event.order = FactsOf(order);
  return answer;
}

}  // namespace

bool OrderDesk::Note(const std::string& order_id) {
  if (!known_.insert(order_id).second) {
    ++repeats_;
    return false;
  }
  by_age_.push_back(order_id);
  if (by_age_.size() > kMostKnown) {
    known_.erase(by_age_.front());
    by_age_.pop_front();
  }
  return true;
}

v1::Verdict OrderDesk::Judge(const std::string& label, const v1::Incarnation& incarnation,
                             std::uint32_t* slot) const {
  const auto found = table_->FindLabel(label);
  if (!found) return v1::VERDICT_GONE_ALREADY;
  v1::Incarnation now;
  table_->FillIncarnation(*found, &now);
  const bool same = now.boot_id() == incarnation.boot_id() && now.pid() == incarnation.pid() &&
                    now.start_ticks() == incarnation.start_ticks() &&
                    now.generation() == incarnation.generation();
  if (!same) return v1::VERDICT_IDENTITY_MISMATCH;
  *slot = *found;
  return v1::VERDICT_UNSPECIFIED;
}

std::vector<OrderDesk::Answer> OrderDesk::Take(const v1::Order& order, double unit) {
  std::vector<Answer> answers;
  if (!Note(order.order_id())) return answers;
  std::uint32_t slot = 0;
  const v1::Verdict already = Judge(order.slot(), order.incarnation(), &slot);
  Answer verdict = Make(order, v1::EVENT_KIND_VERDICT);
  verdict.event.order->slot = order.slot();
  if (already != v1::VERDICT_UNSPECIFIED) {
    verdict.event.order->verdict = already;
    answers.push_back(std::move(verdict));
    return answers;
  }
  Answer term = Make(order, v1::EVENT_KIND_TERM_SENT);
  term.event.order->slot = order.slot();
  answers.push_back(std::move(term));
  verdict.event.order->verdict = v1::VERDICT_EXITED_ON_TERM;
  verdict.restarts = slot;
  if (!at_once_) {
    verdict.after = std::chrono::nanoseconds(static_cast<std::int64_t>(
        unit * static_cast<double>(std::chrono::nanoseconds(kSlowestEnd).count())));
  }
  answers.push_back(std::move(verdict));
  return answers;
}

std::vector<OrderDesk::Answer> OrderDesk::Take(const v1::HoldOrder& order, std::int64_t wall_ns) {
  std::vector<Answer> answers;
  if (!Note(order.order_id())) return answers;
  std::uint32_t slot = 0;
  const v1::Verdict already = Judge(order.slot(), order.incarnation(), &slot);
  Answer answer =
      Make(order, order.release() ? v1::EVENT_KIND_HOLD_ENDED : v1::EVENT_KIND_HOLD_PLACED);
  answer.event.order->slot = order.slot();
  if (already != v1::VERDICT_UNSPECIFIED) {
    answer.event.kind = v1::EVENT_KIND_VERDICT;
    answer.event.order->verdict = already;
  } else {
    table_->SetHold(slot, !order.release());
    if (!order.release()) {
      answer.event.order->hold_until_ns = wall_ns + FromProto(order.hold_for()).count();
    }
  }
  answers.push_back(std::move(answer));
  return answers;
}

std::vector<OrderDesk::Answer> OrderDesk::Take(const v1::ProgramOrder& order) {
  std::vector<Answer> answers;
  if (!Note(order.order_id())) return answers;
  if (order.action() == v1::PROGRAM_ACTION_RELOAD) {
    answers.push_back(Make(order, v1::EVENT_KIND_CONFIG_APPLIED));
    return answers;
  }
  const auto slot = table_->FindLabel(order.program());
  if (!slot || table_->ProgramLabel(*slot).empty()) {
    Answer refused = Make(order, v1::EVENT_KIND_VERDICT);
    refused.event.order->verdict = v1::VERDICT_REFUSED;
    answers.push_back(std::move(refused));
    return answers;
  }
  // Whatever is ordered, the program runs on: a start finds it running, the others give it a new
  // life. A simulated program is never stopped for long.
  Answer answer = Make(order, v1::EVENT_KIND_PROGRAM_ORDERED);
  answer.event.order->program = order.program();
  if (order.action() != v1::PROGRAM_ACTION_START) answer.restarts = *slot;
  answers.push_back(std::move(answer));
  return answers;
}

}  // namespace procctl::fleetsim
