// One call that ends with an outcome for each of its targets: HoldSlots, ControlPrograms.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "controller/rpc/answer_desk.h"
#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/unary_call.h"

namespace procctl::controller {

// `Response` has repeated outcomes that ToMessage knows to fill.
template <typename Response>
class OutcomeCall final : public UnaryCall<Response>, public OutcomeListener {
 public:
  static std::shared_ptr<OutcomeCall> Make(Response* response) {
    std::shared_ptr<OutcomeCall> call(new OutcomeCall(response));
    OutcomeCall::Keep(call);
    return call;
  }

  void Finished(const std::vector<Outcome>& outcomes) override {
    Response response;
    for (const Outcome& outcome : outcomes) ToMessage(outcome, response.add_outcomes());
    this->Succeed(std::move(response));
  }
  void Refused(const absl::Status& why) override { this->Fail(why); }
  void Drain() override {
    this->Fail(absl::UnavailableError(
        "the controller is going down; the orders stand, repeat with the same request id to see "
        "their outcomes"));
  }

 private:
  explicit OutcomeCall(Response* response) : UnaryCall<Response>(response) {}
};

}  // namespace procctl::controller
