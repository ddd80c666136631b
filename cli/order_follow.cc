#include "cli/order_follow.h"

#include <algorithm>
#include <utility>

#include "cli/interrupt.h"
#include "cli/render_orders.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::chrono::milliseconds kBetweenTries{500};
// A controller that is started again is back by then.
constexpr std::chrono::seconds kMostAway{60};

}  // namespace

OrderFollow::OrderFollow(std::string request_id, const Screen& screen, Client* client,
                         std::function<void(const v1::TargetProgress&)> tell)
    : request_id_(std::move(request_id)),
      screen_(screen),
      client_(client),
      tell_(std::move(tell)) {}

void OrderFollow::Note(const v1::OrderStatus& status) {
  const bool news = status.state() != status_.state() || status.message() != status_.message();
  const bool next_batch = status.batches() > 1 && status.batch() != status_.batch();
  const bool running = status.state() == v1::ORDER_STATE_RUNNING;
  const bool first = status_.state() == v1::ORDER_STATE_UNSPECIFIED;
  // That it has begun, and how it ended, is told otherwise.
  const bool ended = status.state() == v1::ORDER_STATE_FINISHED;
  if (news && !ended && !(running && first)) {
    screen_.Note(OrderLine(status));
  } else if (running && next_batch) {
    screen_.Note(fmt::format("order {}: batch {} of {}; {} of {} done, {} failed", request_id_,
                             status.batch(), status.batches(), status.done(), status.targets(),
                             status.failed()));
  }
}

void OrderFollow::Take(const v1::KillSlotsResponse& message) {
  switch (message.message_case()) {
    case v1::KillSlotsResponse::kAccepted:
      targets_ = message.accepted().targets();
      return;
    case v1::KillSlotsResponse::kProgress:
      return tell_(message.progress());
    case v1::KillSlotsResponse::kStatus:
      Note(message.status());
      status_ = message.status();
      // It goes on when somebody resumes it, which may be never.
      if (halted()) enough_.request_stop();
      return;
    case v1::KillSlotsResponse::kSummary:
      summary_ = true;
      return;
    case v1::KillSlotsResponse::MESSAGE_NOT_SET:
      return;
  }
}

absl::Status OrderFollow::Run(const Open& first, Deadline deadline, const std::stop_token& detach) {
  const std::stop_callback chain(detach, [this] { enough_.request_stop(); });
  const auto take = [this](const v1::KillSlotsResponse& message) { Take(message); };
  absl::Status status = first(enough_.get_token(), take);
  Deadline away = std::chrono::steady_clock::now() + kMostAway;
  while (accepted() && absl::IsUnavailable(status)) {
    const Deadline now = std::chrono::steady_clock::now();
    if (now + kBetweenTries >= std::min(deadline, away)) return status;
    if (!Pause(kBetweenTries, detach)) return absl::CancelledError("interrupted");
    bool heard = false;
    status = client_->WatchOrder(request_id_, deadline, enough_.get_token(),
                                 [&](const v1::KillSlotsResponse& message) {
                                   heard = true;
                                   Take(message);
                                 });
    if (heard) away = std::chrono::steady_clock::now() + kMostAway;
  }
  if (halted()) return absl::OkStatus();
  if (status.ok() && !summary_) {
    return absl::InternalError("the controller ended the order's stream without its end");
  }
  return status;
}

std::string HowToReturn(std::string_view request_id) {
  return fmt::format(
      "follow it: procctl-cli order {0}\nstop it: procctl-cli order {0} --cancel --reason ...",
      request_id);
}

}  // namespace procctl::cli
