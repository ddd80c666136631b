// The last bytes of a stream, and which of all its bytes they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace procctl::logger {

class ByteRing {
 public:
  explicit ByteRing(size_t capacity) : capacity_(capacity) {}

  void Add(std::string_view bytes);

  // Counted from the first byte that was ever added; those in [begin, end) are here.
  int64_t begin() const { return end_ - static_cast<int64_t>(size()); }
  int64_t end() const { return end_; }
  // At most `most` bytes from `from` on, which lies in [begin, end].
  std::string Read(int64_t from, size_t most) const;
  std::string All() const { return Read(begin(), capacity_); }

 private:
  size_t size() const { return bytes_.size() < capacity_ ? bytes_.size() : capacity_; }

  size_t capacity_;
  // Up to twice the capacity, so that bytes are moved once for every `capacity_` that come. Grows
  // with what comes: a stream that says little costs little.
  std::string bytes_;
  int64_t end_ = 0;
};

}  // namespace procctl::logger
