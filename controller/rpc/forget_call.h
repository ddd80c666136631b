// One call of ForgetNode: out of the lists at once, out of the store and into the history before
// the caller is told.
#pragma once

#include <memory>
#include <string>

#include "controller/rpc/fleet.h"
#include "controller/rpc/unary_call.h"
#include "controller/store/engine.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

class ForgetCall final : public UnaryCall<v1::ForgetNodeResponse> {
 public:
  static std::shared_ptr<ForgetCall> Make(v1::ForgetNodeResponse* response);

  // `issuer`: as the caller's certificate says. Fleet and engine outlive the call.
  static void Begin(const std::shared_ptr<ForgetCall>& call, const v1::ForgetNodeRequest& request,
                    const std::string& issuer, Fleet* fleet, Engine* engine);

 private:
  using UnaryCall::UnaryCall;
};

// INVALID_ARGUMENT says which part is wrong and what would be right.
absl::Status CheckForget(const v1::ForgetNodeRequest& request);

}  // namespace procctl::controller
