#include "node/os/proc_text.h"

#include <algorithm>

namespace procctl::node {

std::string_view LineAfter(std::string_view text, std::string_view key) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.substr(0, key.size()) == key) return line.substr(key.size());
    at = end + 1;
  }
  return {};
}

std::string_view Word(std::string_view text, size_t skip) {
  for (;;) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    if (skip == 0) return text.substr(0, end);
    --skip;
    text.remove_prefix(end);
  }
}

}  // namespace procctl::node
