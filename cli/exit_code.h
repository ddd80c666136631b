// What the shell hears. `procctl-cli help exit-codes` prints this list; scripts rely on it.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

enum class ExitCode {
  kOk = 0,
  // What was asked could not be done.
  kFailed = 1,
  // The command line or its configuration is wrong.
  kUsage = 2,
  kNothingMatched = 3,
  // Not authenticated, or the role may not do it.
  kNotAllowed = 4,
  // The controller or a node cannot be reached or did not answer in time.
  kUnreachable = 5,
  // The process is no longer the one that was seen. Nobody was signalled.
  kNotTheSame = 6,
  // Some targets are done, some are not.
  kPartly = 7,
  // The question was answered with no, or could not be asked.
  kDeclined = 9,
  kInterrupted = 130,
};

// For a call that failed as a whole.
ExitCode ExitCodeFor(const absl::Status& status);

// For one target of a kill, once `progress` is its last.
ExitCode ExitCodeFor(const v1::TargetProgress& progress);

// For one target of a hold or a release.
ExitCode ExitCodeFor(const v1::HoldOutcome& outcome);

// For one target of an order about programs: whether the order is in force, not what came of it.
ExitCode ExitCodeFor(const v1::ProgramOutcome& outcome);

// For all targets of what changes something: the common code if they agree; PARTLY if some are
// done and some not; FAILED if none is done, for different reasons.
ExitCode Combine(const std::vector<ExitCode>& targets);

}  // namespace procctl::cli
