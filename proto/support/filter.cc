#include "proto/support/filter.h"

#include "proto/support/filter_parser.h"
#include "proto/support/filter_tautology.h"

namespace procctl {
namespace {

std::uint64_t Fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return hash;
}

bool NodeUses(const FilterNode& node, int key) {
  if (node.kind == FilterNode::Kind::kTerm) return node.term.key == key;
  return std::any_of(node.children.begin(), node.children.end(),
                     [&](const FilterNode& child) { return NodeUses(child, key); });
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(std::string_view text, const FilterSchema& schema) {
  auto root = ParseFilter(text, schema);
  if (!root.ok()) return root.status();
  Filter filter;
  filter.root_ = *std::move(root);
  filter.matches_everything_ = IsTautology(filter.root_, schema);
  filter.fingerprint_ = Fnv1a(text);
  return filter;
}

bool Filter::Uses(int key) const { return NodeUses(root_, key); }

bool Filter::AnyMatches(const std::vector<Glob>& globs, std::string_view text) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const Glob& glob) { return glob.Matches(text); });
}

Match Filter::JudgeChoice(const FilterTerm& term, const ChoiceSet& choices) {
  bool some = false;
  bool others = false;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i]) (i < term.choices.size() && term.choices[i] ? some : others) = true;
  }
  return !some ? Match::kNo : others ? Match::kMaybe : Match::kYes;
}

Match Filter::JudgeNumber(const FilterTerm& term, const NumberRange& number) {
  const auto between = [](bool all, bool any) {
    return all ? Match::kYes : any ? Match::kMaybe : Match::kNo;
  };
  // Only kEqual has more than one.
  const std::int64_t wanted = term.numbers.front();
  switch (term.op) {
    case FilterTerm::Op::kEqual: {
      Match any = Match::kNo;
      for (const std::int64_t value : term.numbers) {
        any = std::max(any, between(number.least == value && number.most == value,
                                    number.least <= value && value <= number.most));
      }
      return any;
    }
    case FilterTerm::Op::kLess:
      return between(number.most < wanted, number.least < wanted);
    case FilterTerm::Op::kLessEqual:
      return between(number.most <= wanted, number.least <= wanted);
    case FilterTerm::Op::kGreater:
      return between(number.least > wanted, number.most > wanted);
    case FilterTerm::Op::kGreaterEqual:
      return between(number.least >= wanted, number.most >= wanted);
  }
  return Match::kNo;
}

}  // namespace procctl
