// Gives every slot a label that is unique on its node: the name, or name.2, name.3 ... where it is
// taken.
#pragma once

#include <map>
#include <set>
#include <string>

namespace procctl::node {

class SlotLabels {
 public:
  // The lowest free label for `name`. O(log n) however many share the name.
  std::string Take(const std::string& name);
  // The very label that an earlier guardian gave to `name`. False if it is taken, or none of
  // `name`'s.
  bool Claim(const std::string& name, const std::string& label);
  void Release(const std::string& name, const std::string& label);

 private:
  struct Numbers {
    int highest = 0;
    std::set<int> free;
  };
  std::map<std::string, Numbers> names_;
  std::map<std::string, int> taken_;  // label -> its number
};

}  // namespace procctl::node
