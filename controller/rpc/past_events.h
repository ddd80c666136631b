// The past of a watch of events, read from the History on the reader threads, a message at a time.
// Thread-safe. A few reads at a time, whoever asks: lists of events want the same threads.
#pragma once

#include <deque>

#include "absl/synchronization/mutex.h"
#include "controller/rpc/reader_threads.h"
#include "controller/rpc/watch_stream.h"
#include "controller/store/history.h"

namespace procctl::controller {

class PastEvents {
 public:
  // Both outlive this; the threads have ended before this does.
  PastEvents(History* history, ReaderThreads* readers) : history_(history), readers_(readers) {}

  void Ask(WatchStream::PieceOrder order);
  // Tries again what the reader threads had no room for.
  void Start();

 private:
  static constexpr int kMostAtATime = 2;

  void Read(const WatchStream::PieceOrder& order);
  // Tells the watcher where the history is shorter than its token.
  absl::Status CheckReach(const WatchStream::PieceOrder& order, WatchStream* stream);

  History* const history_;
  ReaderThreads* const readers_;
  absl::Mutex mutex_;
  std::deque<WatchStream::PieceOrder> waiting_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace procctl::controller
