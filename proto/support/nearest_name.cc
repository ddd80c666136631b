#include "proto/support/nearest_name.h"

#include <algorithm>

namespace procctl {
namespace {

// Edit distance, where two neighbours that changed places are one edit: the commonest slip.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        rows[i][j] = i + j;
        continue;
      }
      const size_t substitute = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({substitute, rows[i - 1][j] + 1, rows[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.size()][b.size()];
}

}  // namespace

std::string NearestName(const std::vector<std::string>& known, std::string_view wanted) {
  std::string nearest;
  size_t best = 3;  // further away is no help
  for (const std::string& name : known) {
    if (const size_t d = Distance(wanted, name); d < best) best = d, nearest = name;
  }
  return nearest;
}

}  // namespace procctl
