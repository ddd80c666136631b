#include "node/os/descriptor_limit.h"

namespace procctl::node {
namespace {

std::optional<rlimit>& Saved() {
  static std::optional<rlimit> saved;
  return saved;
}

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (!Saved()) Saved() = limit;
  if (limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE,
                  &limit);  // allowed to everybody; without it fewer processes can be guarded
}

std::optional<rlimit> SavedDescriptorLimit() { return Saved(); }

}  // namespace procctl::node
