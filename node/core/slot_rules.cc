#include "node/core/slot_rules.h"

#include <fnmatch.h>

#include <algorithm>

namespace procctl::node {

SlotRules SlotRuleBook::For(const std::string& name) const {
  SlotRules rules = defaults_;
  const auto rule = std::find_if(rules_.begin(), rules_.end(), [&](const NamedRule& r) {
    return fnmatch(r.name.c_str(), name.c_str(), FNM_NOESCAPE) == 0;
  });
  if (rule == rules_.end()) return rules;
  rules.observe = rule->observe.value_or(rules.observe);
  rules.shadow_timeout = rule->shadow_timeout.value_or(rules.shadow_timeout);
  rules.max_busy = rule->max_busy.value_or(rules.max_busy);
  rules.grace = rule->grace.value_or(rules.grace);
  return rules;
}

}  // namespace procctl::node
