#include "controller/store/checkpointer.h"

#include <utility>

#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// 8 MiB of 4 KiB pages: seldom enough to be cheap, often enough that a restart has little to read.
constexpr int kWorthwhile = 2048;
// 256 MiB: readers or load have kept passive checkpoints from finishing; now commits have to wait.
constexpr int kTooLong = 65536;

}  // namespace

Checkpointer::Checkpointer(Database database) : database_(std::move(database)) {
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
  pages_ = pages;
}

void Checkpointer::Loop() {
  for (;;) {
    int pages = 0;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](Checkpointer* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
            return self->stopping_ || self->pages_ >= kWorthwhile;
          },
          this));
      if (stopping_) return;
      pages = std::exchange(pages_, 0);
    }
    const int mode = pages >= kTooLong ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    const int code = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, mode, nullptr, nullptr);
    if (code != SQLITE_OK && code != SQLITE_BUSY) {
      spdlog::warn("{}; the log stays long until it works",
                   SqliteError(database_.handle(), code, "checkpoint").ToString());
    }
  }
}

}  // namespace procctl::controller
