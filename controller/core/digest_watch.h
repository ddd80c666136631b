// What follows when a node's digest of its rows and the controller's do not agree. One snapshot
// mends what was lost on the way; if it does not, the two count differently, and asking again and
// again would only cost both.
//
//   TRUSTED --differ--> RESYNCED --differ--> WARNED
//      ^______________________agree____________|
//
// Pure; one for each session of a node.
#pragma once

namespace procctl::controller {

class DigestWatch {
 public:
  enum class Act {
    kNone,
    kResync,  // ask for a snapshot; the next digest is judged when that is complete
    kWarn,    // a fresh snapshot did not help: tell people, once
  };

  Act Judge(bool agree) {
    if (agree) {
      state_ = State::kTrusted;
      return Act::kNone;
    }
    switch (state_) {
      case State::kTrusted:
        state_ = State::kResynced;
        return Act::kResync;
      case State::kResynced:
        state_ = State::kWarned;
        return Act::kWarn;
      case State::kWarned:
        return Act::kNone;
    }
    return Act::kNone;
  }

 private:
  enum class State { kTrusted, kResynced, kWarned };
  State state_ = State::kTrusted;
};

}  // namespace procctl::controller
