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

bool SlotLabels::Claim(const std::string& name, const std::string& label) {
  int number = 1;
  if (label != name) {
    const std::string prefix = name + ".";
    if (label.size() <= prefix.size() || label.size() > prefix.size() + 9 ||
        label.compare(0, prefix.size(), prefix) != 0 ||
        label.find_first_not_of("0123456789", prefix.size()) != std::string::npos ||
        label[prefix.size()] == '0') {
      return false;
    }
    number = std::stoi(label.substr(prefix.size()));
    if (number < 2) return false;
  }
  if (!taken_.emplace(label, number).second) return false;
  Numbers& numbers = names_[name];
  if (number > numbers.highest) {
    for (int i = numbers.highest + 1; i < number; ++i) numbers.free.insert(i);
    numbers.highest = number;
  } else {
    numbers.free.erase(number);
  }
  return true;
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
