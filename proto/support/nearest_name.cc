#include "proto/support/nearest_name.h"

#include <algorithm>

namespace procctl {
namespace {

// Edit distance.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substitute, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
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
