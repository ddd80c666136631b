#include "controller/rpc/session_outbox.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostOrders = 10'000;

// One of these for each kind of order.
template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

bool SessionOutbox::AddOrder(OrderMessage order) {
  if (orders_.size() >= kMostOrders) return false;
  v1::SessionResponse& response = orders_.emplace_back();
  std::visit(Overloaded{[&](v1::Order& stop) { *response.mutable_order() = std::move(stop); },
                        [&](v1::HoldOrder& hold) { *response.mutable_hold() = std::move(hold); },
                        [&](v1::ProgramOrder& program) {
                          *response.mutable_program() = std::move(program);
                        }},
             order);
  return true;
}

void SessionOutbox::Acknowledge(const std::vector<Cursor>& cursors) {
  for (const Cursor& cursor : cursors) acks_[cursor.epoch] = cursor.seq;
}

void SessionOutbox::DropOrders() {
  orders_.clear();
  questions_.clear();
  resync_.clear();
  heartbeat_ = false;
}

void SessionOutbox::AddDrain(std::chrono::nanoseconds come_back, std::string why) {
  drain_ = std::make_unique<v1::Drain>();
  *drain_->mutable_delay() = ToProto(come_back);
  drain_->set_reason(std::move(why));
}

bool SessionOutbox::TakeNext(v1::SessionResponse* response) {
  response->Clear();
  if (welcome_ != nullptr) {
    *response->mutable_welcome() = std::move(*welcome_);
    welcome_.reset();
  } else if (!orders_.empty()) {
    *response = std::move(orders_.front());
    orders_.pop_front();
  } else if (!questions_.empty()) {
    *response->mutable_detail() = std::move(questions_.front());
    questions_.pop_front();
  } else if (!acks_.empty()) {
    for (const auto& [epoch, seq] : acks_) {
      v1::EventCursor* cursor = response->mutable_event_ack()->add_cursors();
      cursor->set_epoch(epoch);
      cursor->set_seq(seq);
    }
    acks_.clear();
  } else if (drain_ != nullptr) {
    *response->mutable_drain() = std::move(*drain_);
    drain_.reset();
  } else if (!resync_.empty()) {
    response->mutable_resync()->set_reason(std::exchange(resync_, {}));
  } else if (heartbeat_) {
    heartbeat_ = false;
    *response->mutable_heartbeat()->mutable_clock() = ToProto(WallNow());
  } else {
    return false;
  }
  return true;
}

}  // namespace procctl::controller
