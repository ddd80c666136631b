#include "node/core/silence.h"

namespace procctl::node {

v1::SlotState JudgeSilence(Nanos silence, Nanos timeout) {
  if (silence > timeout) return v1::SLOT_STATE_HUNG;
  if (silence > timeout / 2) return v1::SLOT_STATE_QUIET;
  return v1::SLOT_STATE_ALIVE;
}

}  // namespace procctl::node
