// The groups `history` and `limits` of the configuration.
#pragma once

#include "controller/rpc/server.h"
#include "controller/settings_source.h"

namespace procctl::controller {

void ReadHistory(SettingsSource* source, HistoryLimits* limits);

// limits.*, and max_connections, which they must fit.
void ReadLimits(SettingsSource* source, ServerOptions* server, int* max_connections);

}  // namespace procctl::controller
