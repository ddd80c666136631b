// One call of ReadOutput.
#pragma once

#include <chrono>
#include <memory>

#include "controller/rpc/detail_desk.h"
#include "controller/rpc/unary_call.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

// A node may wait so long for output before it answers; what is left of the desk's patience is for
// the way there and back.
inline constexpr std::chrono::seconds kMostOutputWait{3};
static_assert(kMostOutputWait + std::chrono::seconds(2) <= DetailDesk::kPatience);

class ReadOutputCall final : public UnaryCall<v1::ReadOutputResponse>, public DetailListener {
 public:
  static std::shared_ptr<ReadOutputCall> Make(v1::ReadOutputResponse* response);

  void Answered(v1::DetailReply reply) override;
  void Refused(const absl::Status& why) override { Fail(why); }

 private:
  explicit ReadOutputCall(v1::ReadOutputResponse* response) : UnaryCall(response) {}
};

// INVALID_ARGUMENT says which part is wrong and what would be right.
absl::Status CheckReadOutput(const v1::ReadOutputRequest& request);

}  // namespace procctl::controller
