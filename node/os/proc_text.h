// The few shapes in which /proc writes its text. Pure; every byte may be foreign.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace procctl::node {

// True if `text` as a whole is a number of type T.
template <typename T>
bool ReadNumber(std::string_view text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

// What follows `key` up to the end of the first line that begins with it; empty if none does.
std::string_view LineAfter(std::string_view text, std::string_view key);

// The word after `skip` others; words are parted by blanks and tabs, and end with the line. Empty
// if there are not as many.
std::string_view Word(std::string_view text, size_t skip = 0);

}  // namespace procctl::node
