// What a process asks for when it registers a heart.
#pragma once

#include "node/core/mono_time.h"

namespace procctl::node {

struct HeartTerms {
  // 0: it need not beat.
  Nanos timeout{};
  // 0: progress is not judged.
  Nanos progress_limit{0};
  // 0: judged by the timeout from the first look on.
  Nanos start_grace{0};
};

}  // namespace procctl::node
