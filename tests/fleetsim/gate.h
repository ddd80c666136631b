// Lets so many connections be under way at a time, in the order in which they were asked for.
//
// A real fleet makes its handshakes on as many hosts as it has nodes; here one process makes all of
// them. Without a bound it would work on thousands at once, and every one of them would come too
// late for the time that a connection may take. Pure; a worker's own.
#pragma once

#include <cstdint>
#include <deque>

namespace procctl::fleetsim {

template <typename T>
class Gate {
 public:
  explicit Gate(int most) : free_(most) {}

  // False: it waits, and comes out of TakeAdmitted when its turn has come.
  bool Enter(T* who) {
    if (free_ > 0) {
      --free_;
      return true;
    }
    waiting_.push_back(who);
    ++held_back_;
    return false;
  }

  // Whoever was let in is through.
  void Leave() { ++free_; }

  // The next one that is let in; null: nobody waits, or there is no room.
  T* TakeAdmitted() {
    if (free_ <= 0 || waiting_.empty()) return nullptr;
    --free_;
    T* const next = waiting_.front();
    waiting_.pop_front();
    return next;
  }

  std::int64_t held_back() const { return held_back_; }

 private:
  int free_;
  std::deque<T*> waiting_;
  std::int64_t held_back_ = 0;
};

}  // namespace procctl::fleetsim
