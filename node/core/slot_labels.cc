#include "node/core/slot_labels.h"

namespace procctl::node {

std::string SlotLabels::Take(const std::string& name) {
  Numbers& numbers = names_[name];
  for (;;) {
    int number = 0;
    if (numbers.free.empty()) {
      number = ++numbers.highest;
    } else {
      number = *numbers.free.begin();
      numbers.free.erase(numbers.free.begin());
    }
    std::string label = number == 1 ? name : name + "." + std::to_string(number);
    // Taken: a process is called "a.2" outright while another "a" looks for a second label. That
    // number stays out of use for this name until all of its labels are free again.
    if (taken_.emplace(label, number).second) return label;
  }
}

void SlotLabels::Release(const std::string& name, const std::string& label) {
  const auto taken = taken_.find(label);
  const auto numbers = names_.find(name);
  if (taken == taken_.end() || numbers == names_.end()) return;
  Numbers& n = numbers->second;
  n.free.insert(taken->second);
  taken_.erase(taken);
  while (!n.free.empty() && *n.free.rbegin() == n.highest) {
    n.free.erase(std::prev(n.free.end()));
    --n.highest;
  }
  if (n.highest == 0) names_.erase(numbers);
}

}  // namespace procctl::node
