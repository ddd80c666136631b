// `events --follow`: what is recorded, then what is being recorded, without hole or duplicate.
#pragma once

#include <stop_token>

#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/screen.h"

namespace procctl::cli {

// `request` says with what it begins, as for ListEvents.
ExitCode FollowEvents(v1::ListEventsRequest request, const Options& options, const Screen& screen,
                      Client* client, const std::stop_token& stop);

}  // namespace procctl::cli
