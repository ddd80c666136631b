#include "controller/rpc/hello.h"

#include <limits>
#include <string_view>

#include "proto/support/escape.h"
#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr size_t kMostFactBytes = 256;

std::string Short(const std::string& fact) {
  // What a node writes about itself is shown to people.
  return Printable(std::string_view(fact).substr(0, kMostFactBytes));
}

}  // namespace

absl::Status CheckHello(const std::string& node, const v1::Hello& hello) {
  if (hello.protocol_max() < kProtocolMin || hello.protocol_min() > kProtocolMax) {
    return absl::FailedPreconditionError(fmt::format(
        "node {} speaks protocol {} to {}, this controller {} to {}; update the older one", node,
        hello.protocol_min(), hello.protocol_max(), kProtocolMin, kProtocolMax));
  }
  if (hello.max_session_epoch() < 0 ||
      hello.max_session_epoch() > std::numeric_limits<std::int64_t>::max() / 2) {
    return absl::InvalidArgumentError(
        fmt::format("max_session_epoch {} is out of range", hello.max_session_epoch()));
  }
  return absl::OkStatus();
}

NodeFacts FactsOf(const v1::Hello& hello, const std::string& peer) {
  NodeFacts facts;
  facts.software_version = Short(hello.software_version());
  facts.hostname = Short(hello.hostname());
  facts.kernel = Short(hello.kernel());
  facts.boot_id = Short(hello.boot_id());
  facts.mode = Short(hello.mode());
  facts.guardian_uid = hello.guardian_uid();
  facts.peer = peer;
  for (const std::string& feature : hello.features()) {
    facts.holds = facts.holds || feature == "holds";
    facts.details = facts.details || feature == "details";
    facts.programs = facts.programs || feature == "programs";
    facts.drain = facts.drain || feature == "drain";
  }
  return facts;
}

std::string PeerAddress(const std::string& peer) {
  const size_t colon = peer.find(':');
  const bool known = peer.rfind("ipv", 0) == 0 && colon != std::string::npos;
  return Printable(known ? peer.substr(colon + 1) : peer);
}

}  // namespace procctl::controller
