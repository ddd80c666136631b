#include "controller/core/shed_log.h"

#include <algorithm>

namespace procctl::controller {

void ShedLog::Note(ShedReason reason, std::int64_t count, std::string_view address) {
  Entry& entry = Of(reason);
  entry.count += count;
  if (!address.empty()) entry.last_address = address;
}

std::vector<ShedLog::Line> ShedLog::Take(MonoTime now) {
  std::vector<Line> lines;
  for (const ShedReason reason : kShedReasons) {
    Entry& entry = Of(reason);
    if (entry.count == 0 || (entry.ever_told && now - entry.told < kEvery)) continue;
    lines.push_back({reason, std::exchange(entry.count, 0), std::exchange(entry.last_address, "")});
    entry.told = now;
    entry.ever_told = true;
  }
  return lines;
}

bool ShedLog::pending() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.count > 0; });
}

}  // namespace procctl::controller
