#include "node/os/end_status.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "node/os/proc_file.h"

namespace procctl::node {
namespace {

// linux/pidfd.h of 6.13 and later, as far as the exit code; the size is part of the call's number,
// and the kernel takes any that it knows.
struct PidfdInfo {
  uint64_t mask = 0;
  uint64_t cgroup = 0;
  uint32_t pid = 0;
  uint32_t group_leader = 0;
  uint32_t parent = 0;
  uint32_t ids[8] = {};
  int32_t exit_code = 0;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr uint64_t kPidfdInfoExit = 1U << 3;

Nanos ToNanos(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// glibc's waitid has no place for the usage. 0 or -1.
long WaitId(idtype_t type, id_t id, siginfo_t* info, int options, rusage* usage) {
  long result = 0;
  do {
    result = syscall(SYS_waitid, type, id, info, options, usage);
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

EndStatus EndFromWaitStatus(int status) {
  EndStatus end;
  end.known = WIFEXITED(status) || WIFSIGNALED(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
    end.core_dumped = WCOREDUMP(status);
  }
  return end;
}

EndStatus ReapOwnChild(const ProcessRef& process) {
  siginfo_t info{};
  rusage usage{};
  if (WaitId(P_PIDFD, static_cast<id_t>(process.pidfd()), &info, WEXITED | WNOHANG | __WALL,
             &usage) != 0) {
    return ReadForeignEnd(process);
  }
  EndStatus end;
  if (info.si_pid == 0) return end;
  end.known = true;
  if (info.si_code == CLD_EXITED) {
    end.exit_code = info.si_status;
  } else {
    end.signal = info.si_status;
    end.core_dumped = info.si_code == CLD_DUMPED;
  }
  end.cpu = ToNanos(usage.ru_utime) + ToNanos(usage.ru_stime);
  end.max_resident = int64_t{usage.ru_maxrss} * 1024;
  return end;
}

EndStatus ReadForeignEnd(const ProcessRef& process) {
  PidfdInfo info;
  info.mask = kPidfdInfoExit;
  if (ioctl(process.pidfd(), kPidfdGetInfo, &info) != 0) return {};
  if ((info.mask & kPidfdInfoExit) != 0) return EndFromWaitStatus(info.exit_code);
  EndStatus end;
  // The kernel writes it down when the process is reaped, and only then.
  end.may_follow = !process.Alive();
  return end;
}

int ReapStrangers(const std::set<int32_t>& known) {
  int reaped = 0;
  for (const int32_t pid : OwnChildren()) {
    if (known.count(pid) != 0) continue;
    siginfo_t info{};
    // Our unreaped child until this very call: the number is its own.
    if (WaitId(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | __WALL, nullptr) == 0 &&
        info.si_pid == pid) {
      ++reaped;
    }
  }
  return reaped;
}

}  // namespace procctl::node
