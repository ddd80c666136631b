#include "proto/support/config_faults.h"

#include <algorithm>
#include <climits>

#include "spdlog/fmt/fmt.h"

namespace procctl {

void ConfigFaults::AddAt(int line, std::string_view fact_and_hint) {
  faults_.push_back({line, fmt::format("{}:{}: {}", file_, line, fact_and_hint)});
}

void ConfigFaults::AddKey(const ConfigLines& lines, std::string_view key,
                          std::string_view fact_and_hint) {
  if (Tainted(key)) return;
  // Of a key that is absent: where its section is.
  for (std::string_view at = key;; at = at.substr(0, at.rfind('.'))) {
    if (const auto line = lines.find(at); line != lines.end()) {
      return AddAt(line->second, fmt::format("{}: {}", key, fact_and_hint));
    }
    if (at.find('.') == std::string_view::npos) break;
  }
  faults_.push_back({INT_MAX, fmt::format("{}: {}: {}", file_, key, fact_and_hint)});
}

bool ConfigFaults::Tainted(std::string_view key) const {
  for (;;) {
    if (tainted_.find(key) != tainted_.end()) return true;
    const size_t dot = key.rfind('.');
    if (dot == std::string_view::npos) return false;
    key = key.substr(0, dot);
  }
}

absl::Status ConfigFaults::status() const {
  if (faults_.empty()) return absl::OkStatus();
  if (faults_.size() == 1) return absl::InvalidArgumentError(faults_.front().text);
  std::vector<Fault> sorted = faults_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Fault& a, const Fault& b) { return a.line < b.line; });
  std::string message = full() ? fmt::format("{} has more than {} faults:", file_, kMostListed)
                               : fmt::format("{} has {} faults:", file_, sorted.size());
  sorted.resize(std::min(sorted.size(), kMostListed));
  for (const Fault& fault : sorted) message += "\n  " + fault.text;
  return absl::InvalidArgumentError(message);
}

}  // namespace procctl
