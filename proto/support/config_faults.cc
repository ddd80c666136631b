#include "proto/support/config_faults.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl {

void ConfigFaults::AddAt(int line, std::string_view fact_and_hint) {
  Add(line, fmt::format("{}:{}: {}", file_, line, fact_and_hint));
}

void ConfigFaults::AddKey(const ConfigLines& lines, std::string_view key,
                          std::string_view fact_and_hint) {
  if (full() || Tainted(key)) return;
  told_.emplace(key);
  // Of a key that is absent: where its section is.
  for (std::string_view at = key;; at = at.substr(0, at.rfind('.'))) {
    if (const auto line = lines.find(at); line != lines.end()) {
      return AddAt(line->second, fmt::format("{}: {}", key, fact_and_hint));
    }
    if (at.find('.') == std::string_view::npos) break;
  }
  Add(INT_MAX, fmt::format("{}: {}: {}", file_, key, fact_and_hint));
}

void ConfigFaults::Add(int line, std::string text) {
  ++count_;
  const auto after = std::upper_bound(first_.begin(), first_.end(), line,
                                      [](int at, const Fault& fault) { return at < fault.line; });
  first_.insert(after, Fault{line, std::move(text)});
  if (first_.size() > kMostListed) first_.pop_back();
}

bool ConfigFaults::Told(std::string_view key) const {
  return Tainted(key) || told_.find(key) != told_.end();
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
  if (empty()) return absl::OkStatus();
  if (count_ == 1) return absl::InvalidArgumentError(first_.front().text);
  const std::string_view at_least = full() ? "more than " : "";
  const size_t counted = std::min(count_, kMostCounted);
  std::string message = fmt::format("{} has {}{} faults:", file_, at_least, counted);
  for (const Fault& fault : first_) message += "\n  " + fault.text;
  if (counted > first_.size()) {
    message += fmt::format("\n  ... and {}{} more", at_least, counted - first_.size());
  }
  return absl::InvalidArgumentError(message);
}

}  // namespace procctl
