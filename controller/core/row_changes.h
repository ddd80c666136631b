// Which slots have changed since somebody last asked: keys only, so that a row that changes ten
// times costs one entry. Who takes them reads the rows as they are by then.
//
// Bounded: beyond kMostGenerations keys nothing more is kept, and the taker learns that what it
// holds cannot be brought up to date by these changes. Pure; the shell holds a lock around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace procctl::controller {

class RowChanges {
 public:
  static constexpr std::size_t kMostGenerations = 262'144;

  struct OfNode {
    // Rows that came, changed or ended.
    absl::flat_hash_set<std::int64_t> generations;
    // Any of its rows may have changed; those that ended are among `generations`.
    bool all_rows = false;
    bool state = false;
  };
  struct Taken {
    absl::flat_hash_map<std::string, OfNode> nodes;
    // Changes were dropped: look at everything again. Nothing else is set then.
    bool overflowed = false;
  };

  void Row(std::string_view node, std::int64_t generation) {
    if (taken_.overflowed) return;
    if (!At(node).generations.insert(generation).second) return;
    if (++generations_ > kMostGenerations) Overflow();
  }
  void AllRows(std::string_view node) {
    if (!taken_.overflowed) At(node).all_rows = true;
  }
  void State(std::string_view node) {
    if (!taken_.overflowed) At(node).state = true;
  }

  Taken Take() {
    generations_ = 0;
    return std::exchange(taken_, Taken());
  }

 private:
  OfNode& At(std::string_view node) {
    return taken_.nodes[absl::string_view(node.data(), node.size())];
  }
  void Overflow() {
    taken_.nodes.clear();
    taken_.overflowed = true;
  }

  Taken taken_;
  std::size_t generations_ = 0;
};

}  // namespace procctl::controller
