#include "cli/program_order.h"

#include <algorithm>
#include <utility>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/request_id.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// The controller waits for the nodes at most the time to live and 5 s (fleet_service.proto); then
// it must have the time to say so.
constexpr std::chrono::seconds kTimeToLive{20};
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::milliseconds kLongest{1000};

}  // namespace

v1::ControlProgramsRequest OrderFor(v1::ProgramAction action, const Options& options,
                                    const std::vector<v1::ProgramTarget>& targets) {
  v1::ControlProgramsRequest order;
  order.set_request_id(NewRequestId());
  order.set_action(action);
  for (const v1::ProgramTarget& target : targets) *order.add_targets() = target;
  order.set_reason(options.reason);
  *order.mutable_time_to_live() = ToProto(std::chrono::nanoseconds(kTimeToLive));
  return order;
}

absl::StatusOr<v1::ControlProgramsResponse> Send(const v1::ControlProgramsRequest& order,
                                                 const Options& options, Client* client) {
  auto response = client->ControlPrograms(order, options.timeout.value_or(kPatience));
  if (!response.ok()) {
    if (ExitCodeFor(response.status()) != ExitCode::kUnreachable) return response.status();
    return absl::Status(response.status().code(),
                        fmt::format("{}\nWhether it came about is not known; look with: "
                                    "procctl-cli programs",
                                    std::string(response.status().message())));
  }
  if (response->outcomes_size() != order.targets_size()) {
    return absl::InternalError(
        fmt::format("the controller answered for {} of {} targets; look with: procctl-cli programs",
                    response->outcomes_size(), order.targets_size()));
  }
  return response;
}

RowWatch::RowWatch(std::string filter, const Options& options, std::stop_token stop, Client* client)
    : filter_(std::move(filter)),
      timeout_(AnswerTime(options)),
      stop_(std::move(stop)),
      client_(client) {}

absl::StatusOr<ProgramList> RowWatch::Next(Deadline deadline) {
  for (;;) {
    if (!Pause(pause_, stop_)) return absl::CancelledError("interrupted");
    pause_ = std::min(pause_ + pause_ / 2, kLongest);
    auto list = client_->ListPrograms(filter_, timeout_, /*with_usage=*/false);
    if (list.ok() || ExitCodeFor(list.status()) != ExitCode::kUnreachable) return list;
    if (std::chrono::steady_clock::now() >= deadline) return list;
  }
}

}  // namespace procctl::cli
