// The filter of every list, watch, plan and count: a subset of AIP-160, whose grammar stands for
// users at the top of fleet_service.proto. Older filters ("KEY=VALUE KEY!=VALUE ...") mean in it
// what they always meant, but for values that begin with a quote.
//
// A filter is parsed against the schema of its list, so that a misspelt key or state is an error
// that points at the place and says what would be right, and never an empty answer.
//
// Its logic has three values: of what is not known (the CPU use of a row whose node does not
// answer, the silence of a process that beats without a report) neither a comparison nor its
// opposite is true. Only what is true matches. Immutable; safe in any thread.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/support/glob.h"

namespace procctl {

struct FilterKey {
  // kTexts: a row has any number of them, and one that fits is enough. kDuration and kSize are
  // numbers (nanoseconds, bytes) that people write with a unit.
  enum class Kind { kText, kTexts, kNumber, kDuration, kSize, kChoice };
  std::string_view name;
  Kind kind = Kind::kText;
  // kChoice only: the closed set, lower case. The index of a value is what Subject::Choice returns;
  // an empty one is none that a row has.
  std::vector<std::string> choices = {};
  // Of numbers: no row has less. What only says that much is a filter that every row fulfils.
  std::int64_t least = 0;
};

// What one list can be filtered by. The index of a key is what a subject is asked with.
using FilterSchema = std::vector<FilterKey>;

// How far a row matches: kMaybe if that hangs on what is not known (yet).
enum class Match { kNo, kMaybe, kYes };

// A number as far as it is known: anything from least to most. Made from nothing, it is not known.
struct NumberRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();

  NumberRange() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a subject that knows a number returns it.
  NumberRange(std::int64_t exact) : least(exact), most(exact) {}
  NumberRange(std::int64_t from, std::int64_t to) : least(from), most(to) {}
};

// The choices that a subject may have, by index, where it stands for many rows.
using ChoiceSet = std::bitset<64>;

// One comparison, compiled. "!=" is kEqual beneath a negation.
struct FilterTerm {
  enum class Op { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
  int key = 0;
  FilterKey::Kind kind = FilterKey::Kind::kText;
  Op op = Op::kEqual;
  // Exactly one of the three, by the key's kind. Any of them, or all numbers, are enough.
  std::vector<Glob> texts;
  std::vector<std::int64_t> numbers;
  std::vector<bool> choices;  // by index in FilterKey::choices

  bool operator==(const FilterTerm&) const = default;
};

// The tree of a filter. Not deeper than a small multiple of Filter::kMostDepth.
struct FilterNode {
  enum class Kind {
    kAll,   // all children; none: everything
    kAny,   // any child; has at least two
    kNot,   // not its one child
    kTerm,  // `term`
  };
  Kind kind = Kind::kAll;
  std::vector<FilterNode> children;
  FilterTerm term;
};

class Filter {
 public:
  static constexpr size_t kMostBytes = 4096;
  static constexpr size_t kMostValues = 64;
  static constexpr int kMostDepth = 16;  // of parentheses

  // Matches everything.
  Filter() = default;

  // INVALID_ARGUMENT in three lines: the column (in bytes, from 1; one past the end for what is
  // missing there), what is wrong and what would be right; the filter; a caret under the place. The
  // bounds above keep any filter from making a list slow.
  static absl::StatusOr<Filter> Parse(std::string_view text, const FilterSchema& schema);

  // What a subject knows; each is only asked for keys of its kind:
  //   Text(int key)    std::string_view, or an optional one, empty if it is not known
  //   Texts(int key)   a range of texts; only if its schema has such a key
  //   Number(int key)  std::int64_t, or NumberRange
  //   Choice(int key)  int, outside the closed set equal to nothing; or a ChoiceSet
  //   MayEqual(int key, const std::string&)  optional: false if the unknown text is not that one
  //   MayFit(int key, const Glob&)  the same for a pattern
  // So a subject can be a row, a row whose usage has not been asked yet, or a whole node, of whose
  // rows only some things are known; kNo then is true of each of its rows.
  template <typename Subject>
  Match Judge(const Subject& subject) const {
    return JudgeNode(root_, subject);
  }
  template <typename Subject>
  bool Matches(const Subject& subject) const {
    return Judge(subject) == Match::kYes;
  }

  // Every row of its list fulfils it, whatever it says: nothing at all, name=*, "state=hung OR NOT
  // state=hung". A guard against orders that mean everybody by mistake: true for some filters that
  // only rows outside of all known choices do not fulfil.
  bool MatchesEverything() const { return matches_everything_; }

  // It asks for `key`, by the key's index.
  bool Uses(int key) const;

  const FilterNode& root() const { return root_; }

  // Differs, for all practical purposes, between filters that differ: ties a page token to its
  // filter.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  static Match Not(Match match) {
    return match == Match::kMaybe ? match : match == Match::kNo ? Match::kYes : Match::kNo;
  }
  static Match Sure(bool holds) { return holds ? Match::kYes : Match::kNo; }

  template <typename Subject>
  static Match JudgeNode(const FilterNode& node, const Subject& subject) {
    switch (node.kind) {
      case FilterNode::Kind::kAll: {
        Match all = Match::kYes;
        for (const FilterNode& child : node.children) {
          all = std::min(all, JudgeNode(child, subject));
          if (all == Match::kNo) return all;
        }
        return all;
      }
      case FilterNode::Kind::kAny: {
        Match any = Match::kNo;
        for (const FilterNode& child : node.children) {
          any = std::max(any, JudgeNode(child, subject));
          if (any == Match::kYes) return any;
        }
        return any;
      }
      case FilterNode::Kind::kNot:
        return Not(JudgeNode(node.children.front(), subject));
      case FilterNode::Kind::kTerm:
        return JudgeTerm(node.term, subject);
    }
    return Match::kNo;
  }
  template <typename Subject>
  static Match JudgeTerm(const FilterTerm& term, const Subject& subject) {
    switch (term.kind) {
      case FilterKey::Kind::kText: {
        const std::optional<std::string_view> text = subject.Text(term.key);
        if (text) return Sure(AnyMatches(term.texts, *text));
        if constexpr (requires(const Glob& glob) { subject.MayFit(0, glob); }) {
          const bool may = std::any_of(term.texts.begin(), term.texts.end(), [&](const Glob& glob) {
            return glob.IsExact() ? subject.MayEqual(term.key, glob.exact_text())
                                  : subject.MayFit(term.key, glob);
          });
          if (!may) return Match::kNo;
        }
        return Match::kMaybe;
      }
      case FilterKey::Kind::kTexts:
        if constexpr (requires { subject.Texts(term.key); }) {
          return JudgeTexts(term, subject.Texts(term.key));
        }
        return Match::kMaybe;
      case FilterKey::Kind::kNumber:
      case FilterKey::Kind::kDuration:
      case FilterKey::Kind::kSize:
        return JudgeNumber(term, subject.Number(term.key));
      case FilterKey::Kind::kChoice:
        return JudgeChoice(term, subject.Choice(term.key));
    }
    return Match::kNo;
  }
  template <typename Texts>
  static Match JudgeTexts(const FilterTerm& term, const Texts& texts) {
    return Sure(std::any_of(texts.begin(), texts.end(),
                            [&](const auto& text) { return AnyMatches(term.texts, text); }));
  }
  static Match JudgeChoice(const FilterTerm& term, int choice) {
    return Sure(choice >= 0 && static_cast<size_t>(choice) < term.choices.size() &&
                term.choices[static_cast<size_t>(choice)]);
  }
  static Match JudgeChoice(const FilterTerm& term, const ChoiceSet& choices);
  static Match JudgeNumber(const FilterTerm& term, const NumberRange& number);
  static bool AnyMatches(const std::vector<Glob>& globs, std::string_view text);

  FilterNode root_;
  bool matches_everything_ = true;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace procctl
