// Text for one cell of a table.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace procctl::cli {

// `text` so that nothing in it acts on a terminal and no blank splits it: blanks of every kind
// become \xNN. "-" for nothing. What came over a wire goes through this, or through Printable().
std::string Cell(std::string_view text);

// Columns that `text` takes on a terminal: wide characters take two, combining ones none.
size_t DisplayWidth(std::string_view text);

}  // namespace procctl::cli
