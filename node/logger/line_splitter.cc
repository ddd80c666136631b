#include "node/logger/line_splitter.h"

#include <utility>

namespace procctl::logger {

std::string LineSplitter::Take(std::string_view bytes, node::MonoTime now) {
  std::string out;
  const size_t last = bytes.rfind('\n');
  if (last != std::string_view::npos) {
    out = std::exchange(held_, {});
    out.append(bytes.substr(0, last + 1));
    bytes.remove_prefix(last + 1);
  }
  if (held_.empty()) since_ = now;
  held_.append(bytes);
  if (held_.size() > kMostHeld) out += std::exchange(held_, {});
  return out;
}

std::optional<node::MonoTime> LineSplitter::held_since() const {
  if (held_.empty()) return std::nullopt;
  return since_;
}

std::string LineSplitter::Flush() { return std::exchange(held_, {}); }

}  // namespace procctl::logger
