// The filter of every list: "KEY=VALUE KEY!=VALUE ...", all terms must hold; VALUE may be a list
// (a,b: any of them) and may hold wild cards (glob.h). fleet_service.proto has the words for users.
//
// A filter is parsed against the schema of its list, so that a misspelt key or state is an error
// that says what would be right, and never an empty answer. Immutable; safe in any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/support/glob.h"

namespace procctl {

struct FilterKey {
  // kTexts: a row has any number of them, and one that fits is enough.
  enum class Kind { kText, kTexts, kNumber, kChoice };
  std::string_view name;
  Kind kind = Kind::kText;
  // kChoice only: the closed set, lower case. The index of a value is what Subject::Choice returns.
  std::vector<std::string> choices = {};
};

// What one list can be filtered by. The index of a key is what a subject is asked with.
using FilterSchema = std::vector<FilterKey>;

// One term, compiled. Exactly one of the three sets is used, by the key's kind.
struct FilterTerm {
  int key = 0;
  FilterKey::Kind kind = FilterKey::Kind::kText;
  bool negated = false;
  std::vector<Glob> texts;
  std::vector<std::int64_t> numbers;
  std::vector<bool> choices;  // by index in FilterKey::choices
};

class Filter {
 public:
  // Matches everything.
  Filter() = default;

  // INVALID_ARGUMENT says which term is wrong and what would be right. At most 4096 bytes and 64
  // values, so that no filter makes a list slow.
  static absl::StatusOr<Filter> Parse(std::string_view text, const FilterSchema& schema);

  // Subject: std::string_view Text(int key), std::int64_t Number(int key), int Choice(int key), and
  // where its schema has such a key a range Texts(int key); each is only asked for keys of its
  // kind. A choice outside the closed set is -1 and equals nothing.
  template <typename Subject>
  bool Matches(const Subject& subject) const {
    for (const FilterTerm& term : terms_) {
      if (!TermHolds(term, subject)) return false;
    }
    return true;
  }

  // Only the terms about `key`: lets a list skip a whole node at once.
  template <typename Subject>
  bool MatchesKey(int key, const Subject& subject) const {
    for (const FilterTerm& term : terms_) {
      if (term.key == key && !TermHolds(term, subject)) return false;
    }
    return true;
  }

  const std::vector<FilterTerm>& terms() const { return terms_; }

  // Differs, for all practical purposes, between filters that differ: ties a page token to its
  // filter.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  template <typename Subject>
  static bool TermHolds(const FilterTerm& term, const Subject& subject) {
    return Among(term, subject) != term.negated;
  }
  template <typename Subject>
  static bool Among(const FilterTerm& term, const Subject& subject) {
    switch (term.kind) {
      case FilterKey::Kind::kText:
        return AnyMatches(term.texts, subject.Text(term.key));
      case FilterKey::Kind::kTexts:
        if constexpr (requires { subject.Texts(term.key); }) {
          for (const auto& text : subject.Texts(term.key)) {
            if (AnyMatches(term.texts, text)) return true;
          }
        }
        return false;
      case FilterKey::Kind::kNumber:
        return Contains(term.numbers, subject.Number(term.key));
      case FilterKey::Kind::kChoice: {
        const int choice = subject.Choice(term.key);
        return choice >= 0 && static_cast<size_t>(choice) < term.choices.size() &&
               term.choices[static_cast<size_t>(choice)];
      }
    }
    return false;
  }
  static bool AnyMatches(const std::vector<Glob>& globs, std::string_view text);
  static bool Contains(const std::vector<std::int64_t>& numbers, std::int64_t number);

  std::vector<FilterTerm> terms_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace procctl
