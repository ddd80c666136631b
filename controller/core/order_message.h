// An order as it goes to a node. All kinds of it share order_id, time_to_live, issuer and reason.
#pragma once

#include <variant>

#include "procctl/v1/order.pb.h"

namespace procctl::controller {

using OrderMessage = std::variant<v1::Order, v1::HoldOrder, v1::ProgramOrder>;

}  // namespace procctl::controller
