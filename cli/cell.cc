#include "cli/cell.h"

#include <algorithm>
#include <cstdint>

#include "proto/support/escape.h"

namespace procctl::cli {
namespace {

// Takes one code point off the front of well-formed UTF-8.
uint32_t TakePoint(std::string_view* text) {
  const auto lead = static_cast<unsigned char>(text->front());
  const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t point = length == 1 ? lead : lead & (0xffU >> (length + 1));
  for (size_t i = 1; i < length && i < text->size(); ++i) {
    point = (point << 6) | (static_cast<unsigned char>((*text)[i]) & 0x3fU);
  }
  text->remove_prefix(std::min(length, text->size()));
  return point;
}

bool IsBlank(uint32_t point) {
  return point == ' ' || point == 0xa0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200a) ||
         point == 0x202f || point == 0x205f || point == 0x3000;
}

// The blocks of Unicode that terminals draw two columns wide.
bool IsWide(uint32_t point) {
  return (point >= 0x1100 && point <= 0x115f) || (point >= 0x2e80 && point <= 0xa4cf) ||
         (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
         (point >= 0xfe30 && point <= 0xfe6f) || (point >= 0xff00 && point <= 0xff60) ||
         (point >= 0xffe0 && point <= 0xffe6) || (point >= 0x1f300 && point <= 0x1f64f) ||
         (point >= 0x1f680 && point <= 0x1f6ff) || (point >= 0x1f900 && point <= 0x1f9ff) ||
         (point >= 0x20000 && point <= 0x3fffd);
}

bool IsCombining(uint32_t point) {
  return (point >= 0x300 && point <= 0x36f) || (point >= 0x1ab0 && point <= 0x1aff) ||
         (point >= 0x20d0 && point <= 0x20ff) || (point >= 0xfe00 && point <= 0xfe0f);
}

}  // namespace

std::string Cell(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::string safe = Printable(text);
  std::string out;
  for (std::string_view rest = safe; !rest.empty();) {
    const std::string_view before = rest;
    const bool blank = IsBlank(TakePoint(&rest));
    const std::string_view bytes = before.substr(0, before.size() - rest.size());
    if (!blank) {
      out += bytes;
      continue;
    }
    for (const char c : bytes) {
      const auto b = static_cast<unsigned char>(c);
      out += {'\\', 'x', kHex[b >> 4], kHex[b & 15]};
    }
  }
  return out.empty() ? "-" : out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const uint32_t point = TakePoint(&text);
    if (!IsCombining(point)) width += IsWide(point) ? 2 : 1;
  }
  return width;
}

}  // namespace procctl::cli
