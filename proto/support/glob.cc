#include "proto/support/glob.h"

namespace procctl {
namespace {

constexpr char kAnyText = '\x01';
constexpr char kAnyCharacter = '\x02';

// The plain character that an escape stands for, or 0.
char PlainOf(std::string_view escape) {
  if (escape.substr(0, 4) == "\\x20") return ' ';
  if (escape.substr(0, 4) == "\\x2c") return ',';
  if (escape.substr(0, 4) == "\\x2a") return '*';
  if (escape.substr(0, 4) == "\\x3f") return '?';
  return 0;
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Length of the UTF-8 character at `at`; malformed text counts by bytes.
size_t CharacterLength(std::string_view text, size_t at) {
  size_t length = 1;
  while (at + length < text.size() && length < 4 && IsContinuation(text[at + length])) ++length;
  return length;
}

}  // namespace

Glob::Glob(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (const char plain = PlainOf(pattern.substr(i)); plain != 0) {
      pattern_ += plain;
      i += 3;
    } else if (pattern[i] == '*') {
      exact_ = false;
      if (pattern_.empty() || pattern_.back() != kAnyText) pattern_ += kAnyText;
    } else if (pattern[i] == '?') {
      exact_ = false;
      pattern_ += kAnyCharacter;
    } else {
      pattern_ += pattern[i];
    }
  }
}

Glob Glob::Exact(std::string_view text) {
  Glob glob;
  for (const char c : text) {
    // These two would act as wild cards. No name holds any, so nothing can equal this text.
    glob.pattern_ += c == kAnyText || c == kAnyCharacter ? '\0' : c;
  }
  return glob;
}

Glob Glob::Containing() const {
  Glob glob;
  glob.exact_ = false;
  glob.pattern_ = kAnyText;
  for (const char c : pattern_ + kAnyText) {
    if (c != kAnyText || glob.pattern_.back() != kAnyText) glob.pattern_ += c;
  }
  return glob;
}

// Goes back only to the latest *, which is enough and keeps the cost at pattern x text: no pattern
// can make it exponential.
bool Glob::Matches(std::string_view text) const {
  if (exact_) return text == pattern_;
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern_.size() && pattern_[p] == kAnyText) {
      star = p++;
      star_text = t;
    } else if (p < pattern_.size() && pattern_[p] == kAnyCharacter) {
      t += CharacterLength(text, t);
      ++p;
    } else if (p < pattern_.size() && pattern_[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string::npos) {
      star_text += CharacterLength(text, star_text);
      t = star_text;
      p = star + 1;
    } else {
      return false;
    }
  }
  while (p < pattern_.size() && pattern_[p] == kAnyText) ++p;
  return p == pattern_.size();
}

std::string Glob::ToSqliteGlob() const {
  std::string out;
  for (const char c : pattern_) {
    switch (c) {
      case kAnyText:
        out += '*';
        break;
      case kAnyCharacter:
        out += '?';
        break;
      case '*':
      case '?':
      case '[':
        out += '[';
        out += c;
        out += ']';
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace procctl
