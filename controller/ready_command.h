// `procctl-controller ready`: asks a controller over a connection of its own whether it serves.
#pragma once

namespace procctl::controller {

// 0: it does. 1: it does not, or not in time; why is on standard error. 2: a usage error.
int RunReady(int argc, char** argv);

}  // namespace procctl::controller
