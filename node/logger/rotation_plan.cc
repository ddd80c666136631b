#include "node/logger/rotation_plan.h"

#include <algorithm>

namespace procctl::logger {

WritePlan PlanWrite(const FileFill& file, std::string_view bytes) {
  if (file.max_size <= 0) return {false, bytes.size()};
  const int64_t room = file.max_size - file.size;
  if (static_cast<int64_t>(bytes.size()) <= room) return {false, bytes.size()};
  const size_t first = bytes.find('\n');
  const size_t line = first == std::string_view::npos ? bytes.size() : first + 1;
  if (file.mid_line) {
    if (static_cast<int64_t>(line) - room > kLongestLine) return {true, 0};
    // The rest of its line, and then it is looked at again.
    if (static_cast<int64_t>(line) > room) return {false, line};
  } else if (static_cast<int64_t>(line) > room) {
    return file.size > 0 ? WritePlan{true, 0} : WritePlan{false, line};
  }
  // At least one line fits, and not all do.
  const size_t last = bytes.rfind('\n', static_cast<size_t>(room) - 1);
  return {false, last + 1};
}

std::string FileName(const std::string& path, int index) {
  return index == 0 ? path : path + "." + std::to_string(index);
}

std::vector<Rename> PlanRotation(const std::vector<bool>& exists) {
  std::vector<Rename> steps;
  if (exists.empty()) return steps;
  const auto free = std::find(exists.begin(), exists.end(), false);
  const int last = static_cast<int>(
      std::min<int64_t>(free - exists.begin() + 1, static_cast<int64_t>(exists.size())));
  for (int to = last; to > 0; --to) steps.push_back({to - 1, to});
  return steps;
}

}  // namespace procctl::logger
