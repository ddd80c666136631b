// Columns that line up.
#pragma once

#include <string>
#include <vector>

namespace procctl::cli {

enum class Colour { kNone, kGreen, kYellow, kRed, kLoud, kDim };

struct TableCell {
  std::string text;  // safe to print: through Cell() or Printable()
  Colour colour = Colour::kNone;
};

class Table {
 public:
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // As many cells as there are headers.
  void Add(std::vector<TableCell> row) { rows_.push_back(std::move(row)); }

  // One line per row, two blanks between columns, none at the end of a line. Empty without rows.
  std::string Render(bool colour) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<TableCell>> rows_;
};

}  // namespace procctl::cli
