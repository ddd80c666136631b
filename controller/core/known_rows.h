// Which rows the watchers of one feed may hold: a row that matches no more is told as removed only
// to who may have it. Too many to remember, and every row may be held: a removal too many costs a
// few bytes and harms nobody.
//
// Bounded: kMost rows, and all feeds together by the budget they share. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace procctl::controller {

class KnownRows {
 public:
  static constexpr std::size_t kMost = 65'536;

  // `budget`: how many more rows all feeds together may remember; outlives this.
  explicit KnownRows(std::size_t* budget) : budget_(budget) {}
  KnownRows(const KnownRows&) = delete;
  KnownRows& operator=(const KnownRows&) = delete;
  ~KnownRows() { Forget(); }

  // False: any row may be held, whatever is asked.
  bool exact() const { return exact_; }

  void Add(std::string_view node, std::int64_t generation) {
    if (!exact_ || !At(node).insert(generation).second) return;
    ++count_;
    if (*budget_ > 0) {
      --*budget_;
    } else {
      ++debt_;
    }
    if (count_ <= kMost && debt_ == 0) return;
    Forget();
    exact_ = false;
  }
  bool MayHold(std::string_view node, std::int64_t generation) const {
    if (!exact_) return true;
    const auto it = nodes_.find(absl::string_view(node.data(), node.size()));
    return it != nodes_.end() && it->second.contains(generation);
  }
  void Remove(std::string_view node, std::int64_t generation) {
    const auto it = nodes_.find(absl::string_view(node.data(), node.size()));
    if (it == nodes_.end() || it->second.erase(generation) == 0) return;
    --count_;
    ++*budget_;
    if (it->second.empty()) nodes_.erase(it);
  }
  // Everybody begins anew.
  void Reset() {
    Forget();
    exact_ = true;
  }

 private:
  absl::flat_hash_set<std::int64_t>& At(std::string_view node) {
    return nodes_[absl::string_view(node.data(), node.size())];
  }
  void Forget() {
    // The budget belongs to one thread; who remembers nothing may go on any.
    if (count_ == 0) return;
    *budget_ += count_ - debt_;
    count_ = 0;
    debt_ = 0;
    nodes_.clear();
  }

  std::size_t* budget_;
  bool exact_ = true;
  std::size_t count_ = 0;
  std::size_t debt_ = 0;  // of count_, what the budget did not hold
  absl::flat_hash_map<std::string, absl::flat_hash_set<std::int64_t>> nodes_;
};

}  // namespace procctl::controller
