// When a file is full and what happens to the older ones. A file ends between two lines, so no line
// is ever split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace procctl::logger {

// A line is written whole even if it is longer than a whole file may be, but not for ever: what has
// no newline for so many bytes is no text, and must not fill the disk.
inline constexpr int64_t kLongestLine = int64_t{16} << 20;

struct FileFill {
  int64_t size = 0;
  // Its last byte is in the middle of a line that goes on.
  bool mid_line = false;
  // 0: no limit. A file of exactly this size is not over it.
  int64_t max_size = 0;
};

struct WritePlan {
  // A new file first; then plan again.
  bool rotate = false;
  // Bytes from the front that belong in this file. Not 0 unless `rotate`, or there are no bytes.
  size_t bytes = 0;
};

WritePlan PlanWrite(const FileFill& file, std::string_view bytes);

// NAME for 0, NAME.1 for 1 and so on: the older, the higher.
std::string FileName(const std::string& path, int index);

struct Rename {
  int from = 0;
  int to = 0;
  bool operator==(const Rename&) const = default;
};

// In this order; NAME is free after them. `exists[i]`: there is a NAME.(i+1); its size is the
// number of older files to be kept. Empty for none: NAME is to be removed. If all places are taken,
// the oldest file is replaced; if one is free, none is.
std::vector<Rename> PlanRotation(const std::vector<bool>& exists);

}  // namespace procctl::logger
