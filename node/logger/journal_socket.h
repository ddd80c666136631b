// The way to the system's journal. A sender of our own: sd_journal_sendv knows one path only, and
// waits for ever where journald is stopped.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "node/core/mono_time.h"
#include "node/os/unique_fd.h"

namespace procctl::logger {

// One thread. Never waits.
class JournalSocket {
 public:
  // Having taken nothing for longer than this, a journal is not busy but stopped.
  static constexpr node::Nanos kStall = std::chrono::milliseconds(500);

  explicit JournalSocket(std::string path) : path_(std::move(path)) {}

  // One entry, whole or not at all. RESOURCE_EXHAUSTED: full for the moment. UNAVAILABLE: there is
  // no journal, or it is stopped. A journal that comes back is found again without a word.
  absl::Status Send(std::string_view entry, node::MonoTime now);

 private:
  // `fd` >= 0: the entry is in there. 0 or errno.
  int TrySend(std::string_view entry, int fd);
  int TrySendInMemory(std::string_view entry);

  const std::string path_;
  node::UniqueFd socket_;
  // It has taken nothing since.
  std::optional<node::MonoTime> full_since_;
};

}  // namespace procctl::logger
