// What text may be shown to an operator, said a second time and differently from
// proto/support/escape.cc, so that a mistake there is not repeated here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace procctl::fuzz {

// Well-formed UTF-8 without controls, direction marks and invisible format characters.
bool IsSafe(std::string_view text);
// 0x20 to 0x7e only.
bool IsPrintableAscii(std::string_view text);
// Undoes Escape(); nullopt if `text` is nothing that Escape() can have written.
std::optional<std::string> Unescape(std::string_view text);

}  // namespace procctl::fuzz
