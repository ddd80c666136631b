// The two texts a page holds, as raw bytes up to the first NUL. Hostile: escape before use.
#pragma once

#include <string>

#include "node/heartbeat/include/procctl/heartbeat.h"

namespace procctl::node {

std::string NoteOf(const procctl_page& page);
std::string PhaseOf(const procctl_page& page);

}  // namespace procctl::node
