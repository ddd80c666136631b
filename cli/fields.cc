#include "cli/fields.h"

#include <algorithm>

#include "cli/cell.h"

namespace procctl::cli {

Fields& Fields::Add(std::string key, std::string value) {
  if (!value.empty()) fields_.emplace_back(std::move(key), std::move(value));
  return *this;
}

std::string Fields::Render(size_t indent) const {
  constexpr size_t kGap = 2;
  size_t widest = 0;
  for (const auto& [key, value] : fields_) widest = std::max(widest, DisplayWidth(key));
  std::string out;
  for (const auto& [key, value] : fields_) {
    out += std::string(indent, ' ') + key + ":";
    out += std::string(widest - DisplayWidth(key) + kGap, ' ') + value + "\n";
  }
  return out;
}

}  // namespace procctl::cli
