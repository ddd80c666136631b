// Where output goes: a file, the system's journal, or nowhere but the memory. What the three
// threads know of it together.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/logger/byte_ring.h"

namespace procctl::logger {

// Held by shared_ptr: streams, the writer's queue and waiting readers each may be the last to need
// it.
class Outlet {
 public:
  // Of output that is dropped: enough to see what a program says now.
  static constexpr size_t kMemory = 64 * 1024;

  // A file.
  explicit Outlet(std::string path) : path_(std::move(path)) {}
  // Memory; `keeper` names it in cursors.
  explicit Outlet(uint64_t keeper) : keeper_(keeper) {}
  // The journal; for both streams of this program.
  struct Journal {
    std::string label;
  };
  explicit Outlet(Journal journal) : label_(std::move(journal.label)) {}

  bool is_file() const { return !path_.empty(); }
  bool is_journal() const { return !label_.empty(); }
  const std::string& path() const { return path_; }
  // Only the journal.
  const std::string& label() const { return label_; }
  // For texts.
  std::string name() const { return is_journal() ? "the journal" : path_; }
  uint64_t keeper() const { return keeper_; }

  // May change at any time; heeded from the next line on.
  void SetLimits(int64_t max_size, int keep) {
    max_size_ = max_size;
    keep_ = keep;
  }
  int64_t max_size() const { return max_size_; }
  int keep() const { return keep_; }

  // Grows after each write: a reader that saw this number before it looked has missed nothing.
  uint64_t version() const { return version_; }
  void Written() { ++version_; }

  // Odd while files are renamed. Who looks at their names compares it before and after.
  uint64_t rotation() const { return rotation_; }
  void RotationBegins() { ++rotation_; }
  void RotationEnds() { ++rotation_; }

  // Only the journal: which stream (Piece.source) is stderr; 0: none.
  void SetStderrSource(int64_t source) { stderr_source_ = source; }
  int64_t stderr_source() const { return stderr_source_; }

  // Only memory.
  void Keep(std::string_view bytes) {
    const absl::MutexLock lock(&mutex_);
    ring_.Add(bytes);
  }
  struct Kept {
    int64_t begin = 0;
    int64_t end = 0;
    std::string bytes;
  };
  // All that is kept.
  Kept Recall() const {
    const absl::MutexLock lock(&mutex_);
    return {ring_.begin(), ring_.end(), ring_.All()};
  }

 private:
  const std::string path_;
  const std::string label_;
  const uint64_t keeper_ = 0;
  std::atomic<int64_t> max_size_{0};
  std::atomic<int> keep_{0};
  std::atomic<int64_t> stderr_source_{0};
  std::atomic<uint64_t> version_{0};
  std::atomic<uint64_t> rotation_{0};
  mutable absl::Mutex mutex_;
  ByteRing ring_ ABSL_GUARDED_BY(mutex_){kMemory};
};

}  // namespace procctl::logger
