// Builds the text of a filter (its grammar is in fleet_service.proto).
#pragma once

#include <string>
#include <string_view>

namespace procctl::cli {

class FilterBuilder {
 public:
  // Adds KEY=VALUE; nothing for an empty value. A blank, which the grammar cannot hold, becomes
  // "?", which matches it; what a table shows as \x20 is taken for the blank it stands for.
  FilterBuilder& Add(std::string_view key, std::string_view value);
  // Adds terms as they are.
  FilterBuilder& AddTerms(std::string_view terms);

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace procctl::cli
