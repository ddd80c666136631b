#include "cli/table.h"

#include <algorithm>
#include <string_view>

#include "cli/cell.h"

namespace procctl::cli {
namespace {

constexpr size_t kGap = 2;

std::string_view Start(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kLoud:
      return "\x1b[1;31m";
    case Colour::kDim:
      return "\x1b[2m";
  }
  return "";
}

}  // namespace

std::string Table::Render(bool colour) const {
  if (rows_.empty()) return "";
  std::vector<size_t> widths;
  for (const std::string& header : headers_) widths.push_back(DisplayWidth(header));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  std::string out;
  size_t owed = 0;  // blanks that only text to come makes due
  const auto put = [&](const std::string& text, size_t column, Colour shade) {
    out.append(owed, ' ');
    const bool paint = colour && shade != Colour::kNone;
    if (paint) out += Start(shade);
    out += text;
    if (paint) out += "\x1b[0m";
    owed = widths[column] - DisplayWidth(text) + kGap;
  };
  const auto end = [&] {
    out += '\n';
    owed = 0;
  };
  for (size_t i = 0; i < headers_.size(); ++i) put(headers_[i], i, Colour::kNone);
  end();
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (!row[i].text.empty()) {
        put(row[i].text, i, row[i].colour);
      } else {
        owed += widths[i] + kGap;
      }
    }
    end();
  }
  return out;
}

}  // namespace procctl::cli
