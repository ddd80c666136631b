// One call of HoldSlots.
#pragma once

#include <memory>
#include <vector>

#include "controller/rpc/hold_desk.h"
#include "controller/rpc/unary_call.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

class HoldCall final : public UnaryCall<v1::HoldSlotsResponse>, public HoldListener {
 public:
  static std::shared_ptr<HoldCall> Make(v1::HoldSlotsResponse* response);

  void Finished(const std::vector<HoldOutcome>& outcomes) override;
  void Refused(const absl::Status& why) override { Fail(why); }
  void Drain() override;

 private:
  explicit HoldCall(v1::HoldSlotsResponse* response) : UnaryCall(response) {}
};

}  // namespace procctl::controller
