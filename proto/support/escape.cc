#include "proto/support/escape.h"

#include <cstddef>
#include <cstdint>

namespace procctl {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `s`, and its code point; 0 if malformed.
size_t Decode(std::string_view s, uint32_t* point) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(0);
  size_t length = 0;
  uint32_t least = 0;
  if (lead < 0x80) {
    *point = lead;
    return 1;
  }
  if ((lead & 0xe0) == 0xc0) {
    length = 2, least = 0x80, *point = lead & 0x1fU;
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, least = 0x800, *point = lead & 0x0fU;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, least = 0x10000, *point = lead & 0x07U;
  } else {
    return 0;
  }
  if (s.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    *point = (*point << 6) | (byte(i) & 0x3fU);
  }
  const bool surrogate = *point >= 0xd800 && *point <= 0xdfff;
  if (*point < least || *point > 0x10ffff || surrogate) return 0;
  return length;
}

bool Acts(uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point <= 0x9f) ||  // C0, DEL, C1
         point == 0xad || point == 0x61c ||                   // soft hyphen, Arabic letter mark
         point == 0x180e ||                                   // Mongolian vowel separator
         (point >= 0x200b && point <= 0x200f) ||              // zero width, direction marks
         (point >= 0x2028 && point <= 0x202e) ||              // line separators, embeddings
         (point >= 0x2060 && point <= 0x206f) ||              // word joiner, isolates
         point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb) ||
         (point >= 0x1bca0 && point <= 0x1bca3) ||  // shorthand format controls
         (point >= 0x1d173 && point <= 0x1d17a) ||  // musical format controls
         (point >= 0xe0000 && point <= 0xe0fff);    // tags
}

std::string EscapeUnless(std::string_view in, bool keep_backslash) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(in.size());
  while (!in.empty()) {
    uint32_t point = 0;
    const size_t length = Decode(in, &point);
    const bool plain = length > 0 && !Acts(point) && (keep_backslash || point != '\\');
    const size_t take = length > 0 ? length : 1;
    if (plain) {
      out.append(in.substr(0, take));
    } else {
      for (const char c : in.substr(0, take)) {
        const auto b = static_cast<unsigned char>(c);
        out += {'\\', 'x', kHex[b >> 4], kHex[b & 15]};
      }
    }
    in.remove_prefix(take);
  }
  return out;
}

}  // namespace

std::string Escape(std::string_view bytes) { return EscapeUnless(bytes, /*keep_backslash=*/false); }
std::string Printable(std::string_view text) { return EscapeUnless(text, /*keep_backslash=*/true); }

}  // namespace procctl
