// What a program wrote, made safe for a terminal piece by piece. Pure.
#pragma once

#include <string>
#include <string_view>

namespace procctl::cli {

class OutputText {
 public:
  // `bytes` follow what was given before. Line breaks and tabs stay; what else acts on a terminal,
  // or is not UTF-8, becomes \xNN. The beginning of a character that a piece cuts in two is kept
  // for the next one.
  std::string Add(std::string_view bytes);

  // What is kept still: nothing will follow.
  std::string Rest();

 private:
  std::string kept_;
};

}  // namespace procctl::cli
