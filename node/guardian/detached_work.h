// Work that may block for ever, kept away from the loop. Reading what the kernel says of another
// process can last as long as that process is stuck, and such a thread can be neither joined nor
// cancelled: so threads are detached, few, and share only state that outlives the owner.
//
// Threads: all calls on the owner's loop. Jobs run on threads of their own that block all signals
// and end when nothing waits; what a job returns (its Finish) runs on the loop, inside Take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace procctl::node {

class DetachedWork {
 public:
  struct Limits {
    // Jobs at work at once that are not given up.
    int at_once = 4;
    // Threads in all: those at work and those stuck in a job that was given up. Where all are
    // stuck, further jobs only wait.
    int threads = 16;
    // Jobs that may wait for a thread.
    size_t queued = 0;
  };
  // Runs on the loop, never after the owner is gone.
  using Finish = std::function<void()>;
  // Must own or share all it uses: it may outlive the owner of this object and all around it. The
  // same holds for destroying its Finish.
  using Job = std::function<Finish()>;
  // Names one job of this object; never 0.
  using Ticket = uint64_t;

  explicit DetachedWork(Limits limits);
  // Jobs that wait are dropped, those at work are left to themselves.
  ~DetachedWork();
  DetachedWork(const DetachedWork&) = delete;
  DetachedWork& operator=(const DetachedWork&) = delete;

  // 0 if there is neither a free thread nor room to wait: nothing was taken.
  Ticket Start(Job job);

  // Nobody waits for this job any more: it is not begun if it waits, it no longer counts as one of
  // at_once if it is at work, and its Finish never runs, even if it is done already. Does nothing
  // for one whose Finish has run.
  void GiveUp(Ticket ticket);

  // Readable when Take has something to run; -1 if the kernel had no descriptor left, then Take has
  // to be called now and then.
  int event_fd() const;
  // Runs the Finish of each job that is done, in the order they ended. A Finish may start and give
  // up jobs, but not destroy this object.
  void Take();

 private:
  struct Shared;

  std::shared_ptr<Shared> shared_;  // shared with threads that may be stuck
  Ticket next_ = 1;
};

}  // namespace procctl::node
