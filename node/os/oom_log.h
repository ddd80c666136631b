// Whom the kernel killed because memory ran out, from its own log: where cgroups do not count that,
// it is all that tells such an end from a SIGKILL somebody sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "node/os/unique_fd.h"

namespace procctl::node {

// Pure: the victim, from one record of /dev/kmsg ("3,1234,5678,-;Out of memory: Killed process
// ..."). Only the kernel's own records count: whoever may write there cannot forge those.
std::optional<int32_t> ParseOomKill(std::string_view record);

// The victims that nobody has asked for yet.
class OomVictims {
 public:
  // Most of them are none of ours. The oldest make room.
  static constexpr size_t kMost = 1024;

  void Add(int32_t pid);
  // True if it is one of them; it is none any more.
  bool Take(int32_t pid);

 private:
  std::deque<int32_t> pids_;
};

class OomLog {
 public:
  // Reads what is written from now on. Without the right to (it takes CAP_SYSLOG on most hosts) it
  // is there and stays empty.
  static OomLog Open();

  bool available() const { return static_cast<bool>(fd_); }

  // Takes in what was written since the last call. To be called now and then: the kernel keeps only
  // so much, and other records fill it too. Bounded in time; never waits.
  void Read();

  // True if the kernel killed `pid` because memory ran out; told once. Pids are as the host's first
  // pid namespace numbers them. Victims of the same moment may be asked for one by one.
  bool TakeVictim(int32_t pid);

  // A process begins that has this number: what is on record of it was another's end.
  void Begins(int32_t pid) { (void)TakeVictim(pid); }

 private:
  explicit OomLog(UniqueFd fd) : fd_(std::move(fd)) {}
  void ReadUpTo(int most_records);

  UniqueFd fd_;
  OomVictims victims_;
};

}  // namespace procctl::node
