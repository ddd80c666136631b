// One run of the program: starts it, beats for it while it shows to be well, passes signals on,
// ends as it ended.
//
//                 first sign, or the start grace is over
//      starting ------------------------------------------> judged
//      beats while it lives                                 beats at each sign only
//         |                                                    |
//         +------------------> program ended <-----------------+
//                              heart closed; after a stop: descendants ended; output passed on
#pragma once

#include <optional>

#include "node/run/guarded_heart.h"
#include "node/run/options.h"

namespace procctl::run {

struct RunEnd {
  // What the program ended with, as a shell has it: 128+N after signal N; 127 or 126 if it was
  // never started.
  int code = 0;
  // As waitpid has it; nullopt: never started.
  std::optional<int> status;
  // Somebody wants no more of it: a stop signal, or the terminal has gone.
  bool stopped = false;
};

// In main's only thread, of a child subreaper that has its signals blocked; `signals` is the
// signalfd that reads them. `said`: what earlier runs have said.
RunEnd RunOnce(const Options& options, int signals, GuardedHeart::Said* said);

}  // namespace procctl::run
