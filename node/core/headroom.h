// How close a heart comes to its timeout: what its history says, and the timeout that it suggests.
#pragma once

#include "node/core/heart.h"
#include "node/core/mono_time.h"
#include "procctl/v1/evidence.pb.h"

namespace procctl::node {

// `floor`: the node's least timeout; nothing below it is suggested.
v1::Headroom HeadroomOf(const HeartCell& cell, const HeartHistory& history, Nanos interval,
                        Nanos floor);

}  // namespace procctl::node
