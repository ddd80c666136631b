// One call of Describe.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "controller/rpc/detail_desk.h"
#include "controller/rpc/unary_call.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

class DescribeCall final : public UnaryCall<v1::DescribeResponse>, public DetailListener {
 public:
  static std::shared_ptr<DescribeCall> Make(const Fleet* fleet, std::string node,
                                            v1::DescribeResponse* response);

  void Answered(v1::DetailReply reply) override;
  void Refused(const absl::Status& why) override { Fail(why); }

 private:
  DescribeCall(const Fleet* fleet, std::string node, v1::DescribeResponse* response)
      : UnaryCall(response), fleet_(fleet), node_(std::move(node)) {}

  const Fleet* const fleet_;
  const std::string node_;
};

// INVALID_ARGUMENT says which part is wrong and what would be right.
absl::Status CheckDescribe(const v1::DescribeRequest& request);

}  // namespace procctl::controller
