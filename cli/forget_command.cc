#include "cli/commands.h"
#include "cli/json.h"
#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {

ExitCode ForgetCommand(const Options& options, const Screen& screen, Client* client) {
  v1::ForgetNodeRequest request;
  request.set_node(options.targets.front());
  request.set_reason(options.reason);
  if (!IsValidNodeId(request.node())) {
    return screen.Fail(ExitCode::kUsage,
                       absl::InvalidArgumentError(fmt::format(
                           "\"{}\" is not NODE; `procctl-cli nodes` shows what there is",
                           Printable(request.node()))));
  }
  const absl::Status forgotten = client->ForgetNode(request, AnswerTime(options));
  if (!forgotten.ok()) return screen.Fail(ExitCodeFor(forgotten), forgotten);
  screen.Print(
      screen.json()
          ? fmt::format("{{\"apiVersion\":\"{}\",\"node\":{},\"forgotten\":true}}\n", kApiVersion,
                        JsonString(request.node()))
          : fmt::format("{}  forgotten; a new session of it brings it back\n", request.node()));
  return ExitCode::kOk;
}

}  // namespace procctl::cli
