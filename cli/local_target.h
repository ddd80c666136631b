// --local: what goes with it, where the node of this host is, and what people type to name
// something of it: as ever, but NODE may be left out. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cli/options.h"

namespace procctl::cli {

// INVALID_ARGUMENT: what is asked for does not go with `options.connection.local`, or only with it.
// Before the environment has named a controller.
absl::Status CheckLocal(const Options& options);

// The same with the node: web is NODE/web, :4182 is NODE:4182. What has a slash must begin with
// `node` where that could be a node's id: INVALID_ARGUMENT for another node's, so that nothing of
// this host is taken for what somebody means on another one.
absl::StatusOr<std::string> WithNode(std::string_view node, std::string_view text);

// The same with all targets of `options`; `node` itself stays where a command takes a NODE, and is
// what reload means without any.
absl::Status AddNode(std::string_view node, Options* options);

// `runtime_dir`'s socket; of an empty one the usual: root's node has /run/procctl, a plain user's
// own $XDG_RUNTIME_DIR/procctl, where `exists` says that it is there.
std::string LocalSocketPath(const std::string& runtime_dir, bool root,
                            const Environment& environment,
                            const std::function<bool(const std::string&)>& exists);

}  // namespace procctl::cli
