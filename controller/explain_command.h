// `procctl-controller explain [FIELD]`: what a key of the configuration means.
#pragma once

namespace procctl::controller {

// argv[0] is "explain". Writes to stdout, a refusal to stderr. Returns the exit code: 0 or 2, no
// such key or usage.
int RunExplain(int argc, char** argv);

}  // namespace procctl::controller
