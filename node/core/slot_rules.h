// What the configuration says about slots of some names only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/core/mono_time.h"

namespace procctl::node {

// What holds for one slot, every default filled in.
struct SlotRules {
  // Decide and report, never signal.
  bool observe = false;
  // 0: none.
  Nanos shadow_timeout{0};
  // Most that one announcement of long work may ask for.
  Nanos max_busy = std::chrono::hours(1);
  // Between SIGTERM and SIGKILL.
  Nanos grace = std::chrono::seconds(5);
};

struct NamedRule {
  // * and ? as in a shell.
  std::string name;
  std::optional<bool> observe;
  std::optional<Nanos> shadow_timeout;
  std::optional<Nanos> max_busy;
  std::optional<Nanos> grace;
};

class SlotRuleBook {
 public:
  SlotRuleBook() = default;
  SlotRuleBook(SlotRules defaults, std::vector<NamedRule> rules)
      : defaults_(defaults), rules_(std::move(rules)) {}

  // The first rule whose name matches, on top of the defaults.
  SlotRules For(const std::string& name) const;

  const SlotRules& defaults() const { return defaults_; }

 private:
  SlotRules defaults_;
  std::vector<NamedRule> rules_;
};

}  // namespace procctl::node
