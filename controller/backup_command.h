// `procctl-controller backup FILE` and `procctl-controller restore FILE`: a copy of the fleet's
// history, and the way back.
#pragma once

namespace procctl::controller {

// argv[0] is "backup" or "restore". Writes what was done to stdout, a refusal to stderr. Return the
// exit code: 0, 1 (it failed, nothing was changed) or 2 (usage or configuration).
int RunBackup(int argc, char** argv);
int RunRestore(int argc, char** argv);

}  // namespace procctl::controller
