// The bytes of one run, taken from the front. Whoever takes more than there is gets zeros: short
// inputs are as good as long ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace procctl::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  // A plain number, in this machine's byte order.
  template <typename T>
  T Take() {
    T value{};
    const std::string_view bytes = TakeBytes(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  std::string_view TakeBytes(size_t most) {
    const std::string_view bytes = rest_.substr(0, std::min(most, rest_.size()));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace procctl::fuzz
