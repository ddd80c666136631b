// An order about programs on its way to the controller, and the rows afterwards.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "cli/options.h"

namespace procctl::cli {

// How long one program may take to stand where an order wants it.
inline constexpr std::chrono::minutes kUsualWait{2};

v1::ControlProgramsRequest OrderFor(v1::ProgramAction action, const Options& options,
                                    const std::vector<v1::ProgramTarget>& targets);

// One outcome for each target, or why there are none; a failure that leaves open whether the order
// came about says so.
absl::StatusOr<v1::ControlProgramsResponse> Send(const v1::ControlProgramsRequest& order,
                                                 const Options& options, Client* client);

// Looks at the rows again and again, with longer pauses as time goes on.
class RowWatch {
 public:
  // `client` is not owned.
  RowWatch(std::string filter, const Options& options, std::stop_token stop, Client* client);

  // Pauses, then looks. A controller that cannot be reached for a while is asked again until
  // `deadline`. CANCELLED once a stop was requested.
  absl::StatusOr<ProgramList> Next(Deadline deadline);

  // The next pause is short again: something has just been ordered.
  void Hurry() { pause_ = kShortest; }

 private:
  static constexpr std::chrono::milliseconds kShortest{100};

  std::string filter_;
  Timeout timeout_;
  std::stop_token stop_;
  Client* client_;
  std::chrono::milliseconds pause_ = kShortest;
};

}  // namespace procctl::cli
