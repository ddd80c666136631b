// Who is calling, and may they? The first line of every handler. What is refused is recorded as an
// event (rate limited), so that an operator sees who tries what.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/refusal_gate.h"
#include "controller/rpc/newcomers.h"
#include "controller/store/commit_log.h"
#include "proto/support/peer_identity.h"

namespace grpc {
class CallbackServerContext;
}

namespace procctl::controller {

// Thread-safe, never blocks.
class Gatekeeper {
 public:
  // Only certificates of `fleet` count, whatever CA signed them. `newcomers` learns whose
  // connection is none any more.
  Gatekeeper(std::string fleet, CommitLog* log, Newcomers* newcomers)
      : fleet_(std::move(fleet)), log_(log), newcomers_(newcomers) {}

  // UNAUTHENTICATED without a usable certificate, PERMISSION_DENIED where its role does not
  // suffice.
  absl::StatusOr<Identity> Admit(const grpc::CallbackServerContext& context,
                                 std::string_view method);

  // For refusals that only the handler can see. Returns the status to end the call with.
  absl::Status Refuse(const grpc::CallbackServerContext& context, const Identity& identity,
                      std::string_view method, std::string_view why);

 private:
  void Record(const grpc::CallbackServerContext& context, const Identity* identity,
              std::string_view method, std::string_view why);

  const std::string fleet_;
  CommitLog* const log_;
  Newcomers* const newcomers_;
  absl::Mutex mutex_;
  RefusalGate gate_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
