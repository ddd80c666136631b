#include "node/logger/byte_ring.h"

#include <algorithm>

namespace procctl::logger {

void ByteRing::Add(std::string_view bytes) {
  end_ += static_cast<int64_t>(bytes.size());
  if (bytes.size() > capacity_) bytes.remove_prefix(bytes.size() - capacity_);
  if (bytes_.size() + bytes.size() > 2 * capacity_) {
    bytes_.erase(0, bytes_.size() - (capacity_ - bytes.size()));
  }
  bytes_.append(bytes);
}

std::string ByteRing::Read(int64_t from, size_t most) const {
  const auto left = static_cast<size_t>(end_ - std::clamp(from, begin(), end_));
  return bytes_.substr(bytes_.size() - left, most);
}

}  // namespace procctl::logger
