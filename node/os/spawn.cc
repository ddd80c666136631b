#include "node/os/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr int kLinkFd = 3;
constexpr int kErrorFd = 4;

// Between fork and exec: only async-signal-safe calls. Returns the name of the call that failed.
// `*error_fd` is where that is to be written: it moves on the way, and whatever has its old number
// or its new one before that is the parent's.
const char* BecomeChild(const SpawnRequest& request, int* error_fd, pid_t parent) {
  const int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) return "open /dev/null";
  // Both above 4 first, so that neither is overwritten by the other's move.
  const int link = fcntl(request.link_fd < 0 ? null : request.link_fd, F_DUPFD, kErrorFd + 1);
  const int error = fcntl(*error_fd, F_DUPFD, kErrorFd + 1);
  if (link < 0 || error < 0) return "fcntl";
  *error_fd = error;
  if (dup2(link, kLinkFd) < 0 || dup3(error, kErrorFd, O_CLOEXEC) < 0) return "dup2";
  *error_fd = kErrorFd;
  if (syscall(SYS_close_range, kErrorFd + 1, ~0U, 0) != 0) return "close_range";

  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    (void)sigaction(signal, &standard,
                    nullptr);  // SIGKILL and SIGSTOP refuse; they are default anyway
  }
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0) return "sigprocmask";
  umask(077);

  if (request.user != nullptr) {
    if (setgroups(0, nullptr) != 0) return "setgroups";
    if (setresgid(request.user->gid, request.user->gid, request.user->gid) != 0) return "setresgid";
    if (setresuid(request.user->uid, request.user->uid, request.user->uid) != 0) return "setresuid";
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  // After the change of user, which clears it. If the parent died before this line it would never
  // fire.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return "pdeathsig";
  if (getppid() != parent) return "parent";
  return nullptr;
}

struct ChildError {
  int error = 0;
  char call[28] = {};
};

}  // namespace

absl::StatusOr<SpawnUser> FindUser(const std::string& name) {
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) {
    return absl::NotFoundError(fmt::format(
        "there is no user \"{0}\" on this host; run: useradd --system --no-create-home {0}", name));
  }
  return SpawnUser{entry->pw_uid, entry->pw_gid};
}

absl::StatusOr<ProcessRef> Spawn(const SpawnRequest& request) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(fmt::format("pipe: {}", std::strerror(errno)));
  }
  const UniqueFd error_read(pipe_fds[0]);
  UniqueFd error_write(pipe_fds[1]);

  std::vector<char*> argv = {const_cast<char*>(request.path.c_str())};
  for (const std::string& argument : request.arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  char path_entry[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char lang_entry[] = "LANG=C.UTF-8";
  char* environment[] = {path_entry, lang_entry, nullptr};

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::ResourceExhaustedError(fmt::format("fork: {}", std::strerror(errno)));
  if (pid == 0) {
    int error_fd = error_write.get();
    const char* failed = BecomeChild(request, &error_fd, parent);
    ChildError report{errno, {}};
    if (failed == nullptr) {
      execve(argv[0], argv.data(), environment);
      report.error = errno;
      failed = "exec";
    }
    for (size_t i = 0; i + 1 < sizeof report.call && failed[i] != '\0'; ++i)
      report.call[i] = failed[i];
    (void)!write(error_fd, &report, sizeof report);
    _exit(127);
  }
  error_write.reset();
  auto child = ProcessRef::OwnChild(pid);
  ChildError report;
  ssize_t n = 0;
  do {
    n = read(error_read.get(), &report, sizeof report);
  } while (n < 0 && errno == EINTR);
  if (n == 0 && child.ok()) return child;
  if (n == 0) {
    // Running, but we have no handle to it: better none than one nobody can watch. It is our own
    // unreaped child, so its pid is its own.
    (void)kill(pid, SIGKILL);
  }
  (void)waitpid(pid, nullptr, 0);
  if (n == static_cast<ssize_t>(sizeof report)) {
    return absl::FailedPreconditionError(fmt::format("cannot start {}: {}: {}", request.path,
                                                     report.call, std::strerror(report.error)));
  }
  return child.ok() ? absl::UnknownError(fmt::format("cannot start {}", request.path))
                    : child.status();
}

}  // namespace procctl::node
