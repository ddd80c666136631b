// Keeps the history within its limits: a thread that looks every few seconds, and drops what is too
// old or too much, oldest first, in pieces that run between the commits of events and delay none by
// more than some milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "controller/core/mono_time.h"
#include "controller/store/history_limits.h"
#include "controller/store/trim.h"
#include "controller/store/writer.h"

namespace procctl::controller {

class Retention {
 public:
  // Looks at once, then again and again. `writer` must outlive it.
  Retention(std::string path, const HistoryLimits& limits, Writer* writer,
            Writer::RecordOwn record_own);
  // After the writer was stopped, or it waits for a piece that the writer has not done.
  ~Retention();

  // Begins no further piece. Never blocks.
  void RequestStop();

 private:
  using Piece = std::function<absl::Status(TrimUntil until, WriterTables* tables, TrimPass* pass)>;

  void Loop();
  absl::Status Look(Database* reader);
  absl::Status DropOld(std::int64_t before_ns);
  absl::Status DropAboveSize(Database* reader);
  absl::Status DropCursors(Database* reader);
  absl::Status GiveBack(Database* reader);
  // Runs pieces until the pass is done. UNAVAILABLE: the stop came before.
  absl::Status Run(const Piece& piece, bool pause, TrimPass* pass);
  absl::Status RunPiece(const Piece& piece, TrimPass* pass);
  void Tell(const std::string& why, Database* reader);
  bool StopsWithin(absl::Duration pause);

  const std::string path_;
  const HistoryLimits limits_;
  Writer* const writer_;
  const Writer::RecordOwn record_own_;
  // Of this look; its thread only.
  std::int64_t events_ = 0;
  std::int64_t requests_ = 0;
  std::optional<MonoTime> size_told_;
  std::optional<MonoTime> cursors_looked_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace procctl::controller
