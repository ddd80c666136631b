#include "controller/store/checkpointer.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// 16 MiB of 4 KiB pages: a page that many commits change is written once, and a restart has little
// to read.
constexpr int kWorthwhile = 4096;
// 48 MiB: begin the log anew, even if commits have to wait a moment.
constexpr int kLong = 12288;
// Commits wait no longer than this for readers of the old log; they are asked again later.
constexpr int kMostWaitMs = 50;
// So long between two tries at a log that readers hold.
constexpr absl::Duration kPause = absl::Seconds(1);

}  // namespace

Checkpointer::Checkpointer(Database database)
    : database_(std::move(database)), worthwhile_(kWorthwhile) {
  sqlite3_busy_timeout(database_.handle(), kMostWaitMs);
  // A connection that has read nothing does not know yet that there is a log: its checkpoints do
  // nothing, and say that they went well.
  if (const auto read = database_.Ask("SELECT count(*) FROM sqlite_schema"); !read.ok()) {
    spdlog::warn("{}; the log stays long", read.status().ToString());
  }
  thread_ = std::thread([this] { Loop(); });
}

Checkpointer::~Checkpointer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void Checkpointer::LogHasPages(int pages) {
  absl::MutexLock lock(&mutex_);
  // It has begun anew.
  if (pages < pages_) worthwhile_ = kWorthwhile;
  pages_ = pages;
}

int Checkpointer::Checkpoint(int mode) {
  int moved = -1;
  const int code = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, mode, nullptr, &moved);
  if (code != SQLITE_OK && code != SQLITE_BUSY) {
    spdlog::warn("{}; the log stays long until it works",
                 SqliteError(database_.handle(), code, "checkpoint").ToString());
  }
  return moved;
}

void Checkpointer::Loop() {
  for (;;) {
    int pages = 0;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](Checkpointer* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
            return self->stopping_ || self->pages_ >= self->worthwhile_;
          },
          this));
      if (stopping_) return;
      pages = pages_;
    }
    const int moved = Checkpoint(SQLITE_CHECKPOINT_PASSIVE);
    // Only when the rest is short: else commits would wait for all of it.
    const bool begin_anew = pages >= kLong && moved >= pages - kWorthwhile;
    if (begin_anew) (void)Checkpoint(SQLITE_CHECKPOINT_RESTART);
    absl::MutexLock lock(&mutex_);
    // A log that was moved as a whole begins anew with the next commit, which says so by its
    // length; till then, and while it is held, only what was added since is worth the work.
    worthwhile_ = std::max(kWorthwhile, pages + kWorthwhile);
    if (moved < 0 || (pages >= kLong && moved < pages)) {
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kPause)) return;
    }
  }
}

}  // namespace procctl::controller
