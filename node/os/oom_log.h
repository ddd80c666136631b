// Whom the kernel killed because memory ran out, from its own log: where cgroups do not count that,
// it is all that tells such an end from a SIGKILL somebody sent.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "node/os/unique_fd.h"

namespace procctl::node {

// Pure: the victim, from one record of /dev/kmsg ("3,1234,5678,-;Out of memory: Killed process
// ..."). Only the kernel's own records count: whoever may write there cannot forge those.
std::optional<int32_t> ParseOomKill(std::string_view record);

class OomLog {
 public:
  // Reads what is written from now on. Without the right to (it takes CAP_SYSLOG on most hosts) it
  // is there and stays empty.
  static OomLog Open();

  bool available() const { return static_cast<bool>(fd_); }
  // Readable when there are records; -1 if not available.
  int fd() const { return fd_.get(); }

  // Pids, as the host's first pid namespace numbers them, of the records since the last call;
  // bounded in time, so a flood of records may take several calls. Never waits.
  std::set<int32_t> Poll();

 private:
  explicit OomLog(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace procctl::node
