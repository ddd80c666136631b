// Many guarded forks of the test whose mood the test sets: beat, be silent, beat again.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {

class MoodyChildren {
 public:
  enum class Mood : int { kBeating, kSilent };

  // `count` children named PREFIX-0, PREFIX-1 ..., each with one heart. Returns once all are
  // guarded. `stubborn` ones ignore SIGTERM.
  MoodyChildren(const Node& node, const std::string& prefix, int count,
                std::chrono::milliseconds timeout, bool stubborn = false);
  ~MoodyChildren();
  MoodyChildren(const MoodyChildren&) = delete;
  MoodyChildren& operator=(const MoodyChildren&) = delete;

  void Set(int child, Mood mood) { moods_[child].store(mood); }
  void Set(int first, int last, Mood mood) {
    for (int i = first; i < last; ++i) Set(i, mood);
  }
  Child& operator[](int child) { return children_[static_cast<size_t>(child)]; }
  int size() const { return static_cast<int>(children_.size()); }
  int Running();

 private:
  std::atomic<Mood>* moods_;  // shared with the children
  std::vector<Child> children_;
};

}  // namespace procctl::e2e
