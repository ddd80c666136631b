// Lines of "Key: value" whose values line up, in sections.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace procctl::cli {

class Fields {
 public:
  // An empty value adds nothing. `value` must be safe to print and hold no line break.
  Fields& Add(std::string key, std::string value);

  // "  Key:    value" per line; empty without fields. `indent` blanks stand before each key.
  std::string Render(size_t indent) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace procctl::cli
