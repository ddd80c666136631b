#include "node/guardian/map_prover.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/os/sysv_table.h"

namespace procctl::node {

struct MapProver::Shared {
  std::string map_identity;
  UniqueFd event_fd;
  absl::Mutex mutex;
  int under_way ABSL_GUARDED_BY(mutex) = 0;
  std::vector<Proof> done ABSL_GUARDED_BY(mutex);
};

MapProver::MapProver(std::string map_identity) : shared_(std::make_shared<Shared>()) {
  shared_->map_identity = std::move(map_identity);
  shared_->event_fd = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

MapProver::~MapProver() = default;

bool MapProver::Start(size_t row, ProcessIdentity process) {
  {
    const absl::MutexLock lock(&shared_->mutex);
    if (shared_->under_way >= kMostAtOnce) return false;
    ++shared_->under_way;
  }
  // Detached on purpose: a thread that is stuck in the kernel can neither be joined nor cancelled.
  std::thread([shared = shared_, row, process] {
    Proof proof{row, process, HasAttached(process.pid, shared->map_identity)};
    const absl::MutexLock lock(&shared->mutex);
    --shared->under_way;
    shared->done.push_back(proof);
    const uint64_t one = 1;
    (void)!write(shared->event_fd.get(), &one, sizeof one);  // full only when it is readable anyway
  }).detach();
  return true;
}

int MapProver::event_fd() const { return shared_->event_fd.get(); }

std::vector<Proof> MapProver::Take() {
  uint64_t count = 0;
  (void)!read(shared_->event_fd.get(), &count, sizeof count);  // empty is fine
  const absl::MutexLock lock(&shared_->mutex);
  return std::exchange(shared_->done, {});
}

}  // namespace procctl::node
