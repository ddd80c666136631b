// Texts of orders and questions come from people, through a controller: they must fit where they
// go. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "procctl/v1/detail.pb.h"
#include "procctl/v1/order.pb.h"

namespace procctl::uplink {

// 1 to 128 bytes of printable ASCII.
bool IsOrderId(std::string_view text);

// A link packet has room for 64 KiB. Texts that are only for the record (reason, issuer, slot,
// program) are cut to 4 KiB each, at a character; an order id that is too long is cut to 1 KiB,
// which the guardian refuses as malformed. Fields that this version does not know are left out. No
// order is dropped.
void FitForLink(v1::Order* order);
void FitForLink(v1::HoldOrder* order);
// Neither a label nor a cursor is over 1 KiB: what is longer names nothing, and is cut too.
void FitForLink(v1::ProgramOrder* order);
// Of more generations than 1000 so many are left that the guardian refuses them.
void FitForLink(v1::DetailRequest* request);

}  // namespace procctl::uplink
