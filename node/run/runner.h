// One life of procctl-run: starts the program, beats for it while it shows to be well, passes
// signals on, ends as it ended.
//
//                 first sign, or the start grace is over
//      starting ------------------------------------------> judged
//      beats while it lives                                 beats at each sign only
//         |                                                    |
//         +------------------> program ended <-----------------+
//                              heart closed; after a stop: descendants ended; output passed on
#pragma once

#include "node/run/options.h"

namespace procctl::run {

// The exit code for main. Blocks signals, becomes a child subreaper: call once, from main's only
// thread.
int Run(const Options& options);

}  // namespace procctl::run
