// Observed silence of one heart. No clock of the client is ever read: only whether its counter
// moved between two looks of ours.
#pragma once

#include <cstdint>

#include "node/core/mono_time.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::node {

class Silence {
 public:
  // `token` is the beat counter (native) or atime (classic) at registration. Its value means
  // nothing.
  explicit Silence(uint64_t token) : token_(token) {}

  // One look. True if the heart beat since the last one. `credited` as ScanGuard grants it.
  bool Look(uint64_t token, Nanos credited) {
    if (token != token_) {
      token_ = token;
      length_ = Nanos(0);
      return true;
    }
    length_ += credited;
    return false;
  }

  // A second look right before a signal, without any time passing.
  bool Moved(uint64_t token) const { return token != token_; }

  Nanos length() const { return length_; }

 private:
  uint64_t token_;
  Nanos length_{0};
};

// ALIVE, QUIET (silence > timeout / 2) or HUNG (silence > timeout): at the limit itself a heart
// still lives.
v1::SlotState JudgeSilence(Nanos silence, Nanos timeout);

}  // namespace procctl::node
