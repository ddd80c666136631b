// The whole life of procctl-run: one run of the program, or one after the other.
#pragma once

#include "node/run/options.h"

namespace procctl::run {

// The exit code for main. Blocks signals, becomes a child subreaper: call once, from main's only
// thread.
//
// With options.every a run begins that long after the end of the one before, so runs never overlap.
// It ends with a stop signal (in a run: with what that run ended with; in the pause: with 0), or
// where the first run cannot be started.
int Run(const Options& options);

}  // namespace procctl::run
