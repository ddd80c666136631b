#include "cli/filter.h"

namespace procctl::cli {
namespace {

constexpr std::string_view kShownBlank = "\\x20";

}  // namespace

FilterBuilder& FilterBuilder::Add(std::string_view key, std::string_view value) {
  if (value.empty()) return *this;
  std::string safe;
  while (!value.empty()) {
    const bool shown = value.substr(0, kShownBlank.size()) == kShownBlank;
    const char c = value.front();
    safe += shown || c == ' ' || c == '\t' || c == '\n' || c == '\r' ? '?' : c;
    value.remove_prefix(shown ? kShownBlank.size() : 1);
  }
  return AddTerms(std::string(key) + "=" + safe);
}

FilterBuilder& FilterBuilder::AddTerms(std::string_view terms) {
  if (terms.empty()) return *this;
  if (!text_.empty()) text_ += ' ';
  text_ += terms;
  return *this;
}

}  // namespace procctl::cli
