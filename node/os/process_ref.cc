#include "node/os/process_ref.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "node/os/proc_file.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {

namespace {

absl::StatusOr<UniqueFd> OpenPidfd(int32_t pid) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd) return pidfd;
  const int error = errno;
  const std::string what = fmt::format("pidfd_open({}): {}", pid, std::strerror(error));
  // EINVAL: a thread that leads no process, or not a pid at all.
  return error == ESRCH || error == EINVAL ? absl::NotFoundError(what)
                                           : absl::ResourceExhaustedError(what);
}

absl::Status Ended(int32_t pid) {
  return absl::NotFoundError(fmt::format("process {} has ended", pid));
}

absl::Status Unreadable(int32_t pid, const absl::Status& why) {
  return absl::ResourceExhaustedError(fmt::format(
      "process {} is there, but /proc says nothing of it: {}", pid, std::string(why.message())));
}

// Only on the kernel's word: a poll that fails proves nothing.
bool HasEnded(int pidfd) {
  pollfd p{pidfd, POLLIN, 0};
  return poll(&p, 1, 0) > 0;
}

}  // namespace

absl::StatusOr<ProcessRef> ProcessRef::Open(int32_t pid) {
  auto pidfd = OpenPidfd(pid);
  if (!pidfd.ok()) return pidfd.status();
  return FromPidfd(*std::move(pidfd), pid);
}

absl::StatusOr<ProcessRef> ProcessRef::FromPidfd(UniqueFd pidfd, int32_t pid) {
  const auto stat = TryReadStat(pid);
  if (!stat.ok()) {
    // Without descriptors nothing can be read of those that live either.
    return HasEnded(pidfd.get()) ? Ended(pid) : Unreadable(pid, stat.status());
  }
  ProcessRef ref({pid, stat->start_ticks}, std::move(pidfd));
  // Still alive after its start time was read: so the start time is that of the pidfd's process,
  // not of a later owner of the pid.
  if (!ref.Alive()) return Ended(pid);
  return ref;
}

absl::StatusOr<ProcessRef> ProcessRef::OwnChild(int32_t pid) {
  auto pidfd = OpenPidfd(pid);
  if (!pidfd.ok()) return pidfd.status();
  const auto stat = TryReadStat(pid);
  if (!stat.ok()) return Unreadable(pid, stat.status());
  return ProcessRef({pid, stat->start_ticks}, *std::move(pidfd));
}

absl::StatusOr<ProcessRef> ProcessRef::Duplicate() const {
  UniqueFd copy(fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy)
    return absl::ResourceExhaustedError(fmt::format("dup of a pidfd: {}", std::strerror(errno)));
  return ProcessRef(identity_, std::move(copy));
}

bool ProcessRef::Alive() const { return !HasEnded(pidfd_.get()); }

TargetFacts ProcessRef::Facts() const {
  TargetFacts facts;
  const int32_t pid = identity_.pid;
  if (const auto stat = ReadStat(pid)) {
    facts.start_ticks = stat->start_ticks;
    facts.comm = stat->comm;
    facts.kernel_thread = stat->kernel_thread;
  }
  if (const auto status = ReadStatus(pid)) {
    facts.uid = status->uid;
    facts.tracer = status->tracer;
  }
  facts.frozen = IsFrozen(pid);
  // Last: all of the above was about the pidfd's process if it is still there now.
  facts.alive = Alive();
  return facts;
}

Target::Outcome ProcessRef::Signal(int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) == 0)
    return {Sent::kYes, ""};
  const int error = errno;
  return {error == ESRCH ? Sent::kGone : Sent::kDenied,
          fmt::format("signal {} to pid {}: {}", signal, identity_.pid, std::strerror(error))};
}

}  // namespace procctl::node
