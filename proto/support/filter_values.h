// Values of a filter: what a word means to a key of each kind.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "proto/support/filter.h"

namespace procctl {

struct FilterOperator {
  FilterTerm::Op op = FilterTerm::Op::kEqual;
  bool negated = false;   // !=
  bool contains = false;  // :
};

struct FilterValue {
  std::string text;
  bool quoted = false;  // stands for itself: no wild cards in it
};

// It knows less and more.
bool HasOrder(const FilterKey& key);

// Adds one value to a term whose `choices` are as many as its key's. INVALID_ARGUMENT says what
// would be right.
absl::Status AddValue(const FilterKey& key, const FilterOperator& op, const FilterValue& value,
                      FilterTerm* term);

// That a key does not exist, which may have been meant, and which there are.
std::string NoSuchKey(const FilterSchema& schema, std::string_view name);

// For a sentence: without what could act on a terminal, and not too long.
std::string ShownValue(std::string_view text);

}  // namespace procctl
