// Why an order that its node answers once (a hold, one about a program) did not come about. Pure.
#pragma once

#include <string>
#include <string_view>

#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// What the node or the controller says, else what we can.
std::string Reason(const std::string& message, std::string_view otherwise);

// `look`: the command that shows later whether it came about after all.
std::string WhyNot(v1::Verdict verdict, v1::Refusal refusal, const std::string& message,
                   std::string_view look);

}  // namespace procctl::cli
