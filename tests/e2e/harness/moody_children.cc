#include "tests/e2e/harness/moody_children.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {

MoodyChildren::MoodyChildren(const Node& node, const std::string& prefix, int count,
                             std::chrono::milliseconds timeout, bool stubborn) {
  void* memory = mmap(nullptr, sizeof(*moods_) * static_cast<size_t>(count), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw HarnessError("mmap failed");
  moods_ = static_cast<std::atomic<Mood>*>(memory);
  for (int i = 0; i < count; ++i) {
    children_.push_back(GuardedChild(node, prefix + "-" + std::to_string(i), timeout,
                                     [this, i, stubborn](procctl_heart* heart) {
                                       if (stubborn) signal(SIGTERM, SIG_IGN);
                                       while (true) {
                                         if (moods_[i].load() == Mood::kBeating)
                                           procctl_beat(heart);
                                         usleep(20'000);
                                       }
                                     }));
  }
}

MoodyChildren::~MoodyChildren() {
  const size_t bytes = sizeof(*moods_) * children_.size();
  children_.clear();
  munmap(moods_, bytes);
}

int MoodyChildren::Running() {
  return static_cast<int>(std::count_if(children_.begin(), children_.end(),
                                        [](Child& child) { return child.Running(); }));
}

}  // namespace procctl::e2e
