// Patterns of filter values: * is any text, ? is any one character, as in a shell.
//
// Values are separated by blanks and commas, so those and the two wild cards need another way in:
// \x20, \x2c, \x2a and \x3f stand for themselves as plain characters. Every other backslash is
// itself, because names arrive with foreign bytes escaped as \xNN.
#pragma once

#include <string>
#include <string_view>

namespace procctl {

class Glob {
 public:
  explicit Glob(std::string_view pattern);
  // That very text, whatever it holds.
  static Glob Exact(std::string_view text);

  // Any text that holds what this matches.
  Glob Containing() const;

  bool Matches(std::string_view text) const;

  // The text it stands for, if it holds no wild card.
  bool IsExact() const { return exact_; }
  const std::string& exact_text() const { return pattern_; }

  bool MatchesAnyText() const { return pattern_ == "\x01"; }

  bool operator==(const Glob&) const = default;

  // The same pattern in SQLite's GLOB dialect.
  std::string ToSqliteGlob() const;

 private:
  Glob() = default;

  // Wild cards are kept as two control characters: names never hold any (they are escaped where
  // they come in), so the plain * and ? are free to mean themselves.
  std::string pattern_;
  bool exact_ = true;
};

}  // namespace procctl
