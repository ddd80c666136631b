// An order to stop as the store remembers it, in the words of one that is under way. Pure.
#pragma once

#include <vector>

#include "controller/core/order_book.h"
#include "controller/core/order_standing.h"
#include "controller/store/history.h"

namespace procctl::controller {

// Every target, by its recorded verdict and by `later` ones. Of an order that has ended all are
// done: what was sent and has no verdict is UNRESOLVED, what was not sent is CANCELLED.
std::vector<Progress> StandingOf(const RecordedRequest& recorded,
                                 const std::vector<v1::Event>& later);

// The order as a whole. `targets` are those that StandingOf returned.
OrderStanding LookAt(const RecordedRequest& recorded, const std::vector<Progress>& targets);

}  // namespace procctl::controller
