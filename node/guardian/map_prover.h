// Proves that a process has attached the classic table. Reading another process's memory map can
// block for as long as that process is stuck, so it happens on threads of its own: a stuck proof
// holds up that one thread and nobody else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core/process_identity.h"
#include "node/guardian/detached_work.h"

namespace procctl::node {

struct Proof {
  size_t row = 0;
  ProcessIdentity process;
  // Nullopt: the process ended meanwhile.
  std::optional<bool> attached;
};

class MapProver {
 public:
  // Proofs that may be under way at once; further ones are refused, and asked for again at the next
  // scan.
  static constexpr int kMostAtOnce = 16;

  explicit MapProver(std::string map_identity);

  // False if too many are stuck already.
  bool Start(size_t row, ProcessIdentity process);

  // Readable when results wait.
  int event_fd() const { return work_.event_fd(); }
  std::vector<Proof> Take();

 private:
  const std::shared_ptr<const std::string> map_identity_;  // shared with threads that may be stuck
  std::vector<Proof> taken_;
  DetachedWork work_;
};

}  // namespace procctl::node
