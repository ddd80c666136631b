#include "cli/local_target.h"

#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::string_view kSocket = "/control.sock";

absl::Status OtherNode(std::string_view node, std::string_view text) {
  return absl::InvalidArgumentError(fmt::format(
      "\"{}\" is of another node: this host is {}, and --local asks no other. Leave out "
      "--local to go through a controller{}",
      Printable(text), node,
      text.find('/') == std::string_view::npos
          ? ""
          : fmt::format("; or, of a slot of that name here: {}/{}", node, Printable(text))));
}

bool TakesNode(Verb verb) {
  return verb == Verb::kDescribe || verb == Verb::kListPrograms || verb == Verb::kReload;
}

}  // namespace

absl::Status CheckLocal(const Options& options) {
  const Connection& connection = options.connection;
  if (!connection.local) {
    if (connection.runtime_dir.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--runtime-dir goes with --local");
  }
  if (!connection.controller.empty()) {
    return absl::InvalidArgumentError(
        "--local and --controller do not go together: a node is asked, or a controller");
  }
  switch (options.verb) {
    case Verb::kEvents:
    case Verb::kWhy:
    case Verb::kHistory:
      return absl::InvalidArgumentError(
          "a node keeps no history, its controller does: leave out --local and name that "
          "(--controller). What the node did is also in its own log, e.g. journalctl -u "
          "procctl-node");
    case Verb::kWatch:
      return absl::InvalidArgumentError(
          "only a controller can be watched: leave out --local and name one (--controller)");
    case Verb::kOrder:
    case Verb::kOrders:
      return absl::InvalidArgumentError(
          "orders with a plan are a controller's: leave out --local and name that (--controller)");
    case Verb::kListNodes:
    case Verb::kCount:
      return absl::InvalidArgumentError(
          "--local knows one node: `procctl-cli --local list` names it, `procctl-cli --local "
          "describe NODE` shows it. For all nodes leave out --local and name a controller "
          "(--controller)");
    case Verb::kForget:
      return absl::InvalidArgumentError(
          "it is a controller that remembers nodes and can forget them: leave out --local and name "
          "it (--controller)");
    default:  // all others ask for what is now
      return absl::OkStatus();
  }
}

absl::StatusOr<std::string> WithNode(std::string_view node, std::string_view text) {
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view first = text.substr(0, slash);
    if (first == node) return std::string(text);
    if (IsValidNodeId(std::string(first))) return OtherNode(node, text);
    return fmt::format("{}/{}", node, text);
  }
  const size_t colon = text.rfind(':');
  if (colon == 0) return fmt::format("{}{}", node, text);
  if (colon != std::string_view::npos && text.substr(0, colon) == node) return std::string(text);
  return fmt::format("{}/{}", node, text);
}

absl::Status AddNode(std::string_view node, Options* options) {
  if (options->verb == Verb::kReload) {
    for (const std::string& target : options->targets) {
      if (target != node) return OtherNode(node, target);
    }
    options->targets = {std::string(node)};
    return absl::OkStatus();
  }
  for (std::string& target : options->targets) {
    if (target == node && TakesNode(options->verb)) continue;
    auto full = WithNode(node, target);
    if (!full.ok()) return full.status();
    target = *std::move(full);
  }
  return absl::OkStatus();
}

std::string LocalSocketPath(const std::string& runtime_dir, bool root,
                            const Environment& environment,
                            const std::function<bool(const std::string&)>& exists) {
  if (!runtime_dir.empty()) return fmt::format("{}{}", runtime_dir, kSocket);
  const std::string of_host = fmt::format("/run/procctl{}", kSocket);
  const std::string runtime = root ? "" : environment("XDG_RUNTIME_DIR");
  if (runtime.empty()) return of_host;
  std::string own = fmt::format("{}/procctl{}", runtime, kSocket);
  // Of a user without a node of his own: that of the host, which says whom it serves.
  return exists(own) || !exists(of_host) ? own : of_host;
}

}  // namespace procctl::cli
