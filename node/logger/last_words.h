// The last bytes of a stream, of one life: what a death event shows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "node/logger/byte_ring.h"

namespace procctl::logger {

// One thread, that which reads the FIFO.
class LastWords {
 public:
  static constexpr size_t kMost = 4096;

  // As they are read from the FIFO, all of them in order.
  void Add(std::string_view bytes);
  // Adds what is in the FIFO and leaves it there: when it is read later it is not added again.
  void Peek(int fifo);
  // The stream goes on in another FIFO.
  void FifoChanged() { ahead_ = 0; }

  std::string All() const { return ring_.All(); }
  // What was added until now is in no later answer.
  void Forget() { ring_ = ByteRing(kMost); }

 private:
  ByteRing ring_{kMost};
  // So many of the next bytes were seen ahead of their turn.
  size_t ahead_ = 0;
};

}  // namespace procctl::logger
