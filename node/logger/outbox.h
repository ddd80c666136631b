// Messages on their way to the guardian, from all threads. Never waits for it.
#pragma once

#include <cstddef>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/logger/bell.h"
#include "procctl/v1/logger.pb.h"

namespace procctl::logger {

class Outbox {
 public:
  // More than that while the guardian does not read: the oldest are dropped.
  static constexpr size_t kMost = 1024;
  // With so many nothing more should be asked of us.
  static constexpr size_t kMany = 128;

  // `bell` is rung when there is something to send.
  explicit Outbox(const Bell* bell) : bell_(bell) {}

  // Any thread.
  void Add(v1::LoggerUp message);

  // The link's thread. As far as the socket takes them; true: all are out.
  bool SendTo(int socket);
  bool many() const;

 private:
  const Bell* const bell_;
  mutable absl::Mutex mutex_;
  std::deque<v1::LoggerUp> messages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::logger
