// Where the writer puts the pieces of one outlet.
#pragma once

#include "absl/status/status.h"
#include "node/core/mono_time.h"
#include "node/logger/backlog.h"

namespace procctl::logger {

// The writer's thread only.
class Sink {
 public:
  virtual ~Sink() = default;

  // Puts what was lost before the piece, then the piece; afterwards `*piece` is what remains. OK
  // with a rest: it has had its turn, others come first. RESOURCE_EXHAUSTED: full for a moment, as
  // anything busy is. Others: trouble, to be said, and to be tried again in a while.
  virtual absl::Status Write(Piece* piece, node::MonoTime now) = 0;
};

}  // namespace procctl::logger
