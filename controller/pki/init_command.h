// `procctl-controller init`: the certificates of a fleet, made in one command.
#pragma once

namespace procctl {

// argv[0] is "init", the rest its options. Makes what is missing below --dir and leaves alone what
// is there, so running it again with more names adds them. Writes to stdout and stderr. Returns the
// exit code: 0 done, 1 failed, 2 usage.
int RunInit(int argc, char** argv);

}  // namespace procctl
