#include "tests/sim/host.h"

#include <signal.h>

#include <algorithm>

namespace procctl::sim {
namespace {

// Between SIGKILL and the end.
constexpr Nanos kExitTakes = std::chrono::milliseconds(1);

void BeatUntil(Beater& heart, Nanos to) {
  if (heart.busy_until != Nanos(0)) return;
  if (heart.every > Nanos(0) && heart.next_beat <= to) {
    const int64_t beats = (to - heart.next_beat) / heart.every + 1;
    heart.page->beats += static_cast<uint64_t>(beats);
    heart.next_beat += heart.every * beats;
  }
  if (heart.progress_every > Nanos(0) && heart.next_progress <= to) {
    const int64_t steps = (to - heart.next_progress) / heart.progress_every + 1;
    heart.page->progress += static_cast<uint64_t>(steps);
    heart.next_progress += heart.progress_every * steps;
  }
}

}  // namespace

Beater* Proc::heart(int64_t name) {
  const auto found = std::find_if(hearts.begin(), hearts.end(),
                                  [&](const Beater& heart) { return heart.name == name; });
  return found == hearts.end() ? nullptr : &*found;
}

Proc& Host::Spawn(int32_t pid) {
  if (Proc* old = At(pid)) {
    if (old->alive) Die(*old, Nanos(0));
    old->listed = false;
    std::erase(listed_, old);
  }
  Proc& proc = *all_.emplace_back(std::make_unique<Proc>());
  proc.id = all_.size() - 1;
  proc.identity = {pid, ++next_start_};
  listed_.push_back(&proc);
  return proc;
}

Proc* Host::At(int32_t pid) {
  const auto found = std::find_if(listed_.begin(), listed_.end(),
                                  [&](const Proc* proc) { return proc->identity.pid == pid; });
  return found == listed_.end() ? nullptr : *found;
}

void Host::Die(Proc& proc, Nanos zombie_for) {
  proc.alive = false;
  proc.died = now_;
  proc.zombie_until = now_ + zombie_for;
}

void Host::Term(Proc& proc) {
  switch (proc.on_term) {
    case kDies:
      proc.dies = now_ + std::max(proc.term_delay, kExitTakes);
      return;
    case kIgnores:
      return;
    case kClosesHearts:
      for (Beater& heart : proc.hearts) {
        heart.page->flags |= PROCCTL_PAGE_CLOSED;
        heart.every = Nanos(0);
      }
      return;
  }
}

void Host::Deliver(Proc& proc, int signal) {
  if (!proc.alive) return;
  if (signal == SIGKILL) {
    if (proc.wakes != Nanos(0) || proc.frozen) {
      proc.kill_pending = true;
    } else {
      proc.dies = now_ + kExitTakes;
    }
  } else if (signal == SIGTERM) {
    if (proc.runs()) {
      Term(proc);
    } else {
      proc.term_pending = true;
    }
  } else if (signal == SIGCONT) {
    proc.stopped = false;
    Resumed(proc);
  }
}

void Host::Resumed(Proc& proc) {
  if (!proc.alive) return;
  if (proc.kill_pending && proc.wakes == Nanos(0) && !proc.frozen) proc.dies = now_ + kExitTakes;
  if (!proc.runs()) return;
  for (Beater& heart : proc.hearts) {
    heart.next_beat = std::max(heart.next_beat, now_);
    heart.next_progress = std::max(heart.next_progress, now_);
  }
  if (proc.term_pending) {
    proc.term_pending = false;
    Term(proc);
  }
}

void Host::RecoverNow(Proc& proc) {
  for (Beater& heart : proc.hearts) {
    ++heart.page->beats;
    ++heart.page->progress;
    heart.page->flags = (heart.page->flags | PROCCTL_PAGE_READY) & ~PROCCTL_PAGE_FAILED;
  }
}

// From what happens to it to what happens next, beating in between.
void Host::Live(Proc& proc, Nanos to) {
  while (proc.alive) {
    Nanos next = to;
    if (proc.wakes != Nanos(0)) next = std::min(next, proc.wakes);
    if (proc.dies != Nanos(0)) next = std::min(next, proc.dies);
    const bool runs = proc.runs();
    if (runs) {
      for (const Beater& heart : proc.hearts) {
        if (heart.busy_until != Nanos(0)) next = std::min(next, heart.busy_until);
      }
    }
    next = std::max(next, now_);
    if (runs) {
      for (Beater& heart : proc.hearts) BeatUntil(heart, next);
    }
    now_ = next;
    if (proc.dies != Nanos(0) && proc.dies <= next) {
      Die(proc, Ms(20));
      return;
    }
    if (proc.wakes != Nanos(0) && proc.wakes <= next) {
      proc.wakes = Nanos(0);
      Resumed(proc);
    }
    if (runs) {
      for (Beater& heart : proc.hearts) {
        if (heart.busy_until == Nanos(0) || heart.busy_until > next) continue;
        heart.busy_until = Nanos(0);
        heart.page->flags &= ~PROCCTL_PAGE_BUSY;
        ++heart.page->beats;
        heart.next_beat = next + heart.every;
        heart.next_progress = next + heart.progress_every;
      }
    }
    if (next == to) return;
  }
}

void Host::Advance(Nanos to) {
  const Nanos from = now_;
  for (size_t i = 0; i < listed_.size(); ++i) {
    now_ = from;
    Live(*listed_[i], to);
  }
  now_ = to;
  std::erase_if(listed_, [&](Proc* proc) {
    if (proc->alive || proc->zombie_until > to) return false;
    proc->listed = false;
    return true;
  });
}

}  // namespace procctl::sim
