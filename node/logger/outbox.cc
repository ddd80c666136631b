#include "node/logger/outbox.h"

#include <utility>

#include "node/os/seqpacket.h"
#include "spdlog/spdlog.h"

namespace procctl::logger {

void Outbox::Add(v1::LoggerUp message) {
  {
    const absl::MutexLock lock(&mutex_);
    if (messages_.size() >= kMost) messages_.pop_front();
    messages_.push_back(std::move(message));
  }
  bell_->Ring();
}

bool Outbox::SendTo(int socket) {
  const absl::MutexLock lock(&mutex_);
  while (!messages_.empty()) {
    const absl::Status sent = node::Send(socket, messages_.front().SerializeAsString());
    if (absl::IsUnavailable(sent)) return false;
    // A guardian that is gone shows on the reading side.
    if (absl::IsInvalidArgument(sent))
      spdlog::error("a message to the guardian does not fit the socket; dropped");
    messages_.pop_front();
  }
  return true;
}

bool Outbox::many() const {
  const absl::MutexLock lock(&mutex_);
  return messages_.size() >= kMany;
}

}  // namespace procctl::logger
