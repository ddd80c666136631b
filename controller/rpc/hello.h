// The first words of a session: what a node's Hello may claim, and what is kept of it. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "controller/core/fleet_view.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::controller {

// OK, or what the stream ends with: FAILED_PRECONDITION where no protocol is common to both,
// INVALID_ARGUMENT where a number is out of range. Whose Hello it is, is for the gatekeeper.
absl::Status CheckHello(const std::string& node, const v1::Hello& hello);

// What is shown of the node, cut and made printable.
NodeFacts FactsOf(const v1::Hello& hello, const std::string& peer);

// "ipv4:10.0.0.1:4242" as "10.0.0.1:4242".
std::string PeerAddress(const std::string& peer);

}  // namespace procctl::controller
