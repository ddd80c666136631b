// One stream of bytes, given on in whole lines, so that two streams that share a file never meet
// within a line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "node/core/mono_time.h"

namespace procctl::logger {

class LineSplitter {
 public:
  // A line that is longer goes on in parts: memory is bounded, whoever writes without newlines.
  static constexpr size_t kMostHeld = 64 * 1024;

  // Returns what may be written now: whole lines, or all of a line that is over kMostHeld. The rest
  // is held.
  std::string Take(std::string_view bytes, node::MonoTime now);

  // Since when the first byte that is held waits for the end of its line; none: nothing is held.
  std::optional<node::MonoTime> held_since() const;
  // What is held, whether its line has ended or not.
  std::string Flush();

 private:
  std::string held_;
  node::MonoTime since_;
};

}  // namespace procctl::logger
