#include "tests/fuzz/text_oracle.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace procctl::fuzz {
namespace {

struct Range {
  uint32_t first, last;
};

// Controls, and of Unicode's format characters (Cf, Zl, Zp) those that show nothing themselves.
constexpr std::array<Range, 14> kUnsafe = {{{0x0, 0x1f},
                                            {0x7f, 0x9f},
                                            {0xad, 0xad},
                                            {0x61c, 0x61c},
                                            {0x180e, 0x180e},
                                            {0x200b, 0x200f},
                                            {0x2028, 0x202e},
                                            {0x2060, 0x206f},
                                            {0xd800, 0xdfff},
                                            {0xfeff, 0xfeff},
                                            {0xfff9, 0xfffb},
                                            {0x1bca0, 0x1bca3},
                                            {0x1d173, 0x1d17a},
                                            {0xe0000, 0xe0fff}}};

std::string Encode(uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | (point >> 6)), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | (point >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

// Reads a sequence without judging it; well-formed is what encodes back to the same bytes.
uint32_t DecodeLoosely(std::string_view sequence) {
  const auto lead = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() == 1) return lead;
  uint32_t point = lead & (0x7fU >> sequence.size());
  for (const char c : sequence.substr(1)) point = (point << 6) | (static_cast<uint8_t>(c) & 0x3fU);
  return point;
}

std::optional<uint8_t> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

bool IsSafe(std::string_view text) {
  while (!text.empty()) {
    size_t size = 1;
    while (size < std::min<size_t>(text.size(), 4) && (static_cast<uint8_t>(text[size]) >> 6) == 2)
      ++size;
    const std::string_view sequence = text.substr(0, size);
    const uint32_t point = DecodeLoosely(sequence);
    if (point > 0x10ffff || Encode(point) != sequence) return false;
    for (const Range& range : kUnsafe) {
      if (point >= range.first && point <= range.last) return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

bool IsPrintableAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text[0] != '\\') {
      bytes += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 4 || text[1] != 'x') return std::nullopt;
    const auto high = HexDigit(text[2]);
    const auto low = HexDigit(text[3]);
    if (!high || !low) return std::nullopt;
    bytes += static_cast<char>(*high << 4 | *low);
    text.remove_prefix(4);
  }
  return bytes;
}

}  // namespace procctl::fuzz
