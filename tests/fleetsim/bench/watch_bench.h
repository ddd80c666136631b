// Watchers of events: many that are stopped, one that is healthy.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proto/support/tls_files.h"
#include "tests/fleetsim/bench/samples.h"

namespace procctl::bench {

// Each with a connection of its own; they ask, and read nothing.
class StoppedWatchers {
 public:
  StoppedWatchers(const std::string& address, const TlsPem& tls, int count);
  ~StoppedWatchers();

 private:
  struct Watcher;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

struct WatchTimes {
  // From the event on its node to the watcher: both on this host, by one clock.
  Samples delay;
  std::int64_t resyncs = 0;
  // Empty while all is well; a controller without Watch says UNIMPLEMENTED.
  std::string error;
};

// Watches events for so long.
WatchTimes MeasureHealthyWatcher(const std::string& address, const TlsPem& tls,
                                 std::chrono::seconds period);

}  // namespace procctl::bench
