// A watch that outlives its stream: when the controller goes away it is tried again with the last
// bookmark, and that is said.
#pragma once

#include <functional>
#include <stop_token>

#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/screen.h"

namespace procctl::cli {

// `on_message` returns false to end it. Ends with OK then, when `stop` is requested, and when
// nobody reads the screen any more; with a failure only if the controller refuses, or cannot be
// reached before anything was heard.
ExitCode WatchUntilStopped(v1::WatchRequest request, const Screen& screen, Client* client,
                           const std::stop_token& stop,
                           const std::function<bool(const v1::WatchResponse&)>& on_message);

}  // namespace procctl::cli
