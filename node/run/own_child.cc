#include "node/run/own_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace procctl::run {
namespace {

// dup2 of a descriptor onto itself would leave it close-on-exec.
bool MoveTo(int fd, int target) {
  if (fd < 0) return true;
  if (fd == target) return fcntl(fd, F_SETFD, 0) == 0;
  return dup2(fd, target) >= 0;
}

// Between fork and exec: async-signal-safe calls only. Returns if it failed, with errno set.
void BecomeProgram(const ChildRequest& request, char* const* argv, char* const* environment,
                   pid_t parent) {
  if (request.own_group && setpgid(0, 0) != 0) return;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  // Had the parent died before that line, it would never fire.
  if (getppid() != parent) _exit(1);
  if (!MoveTo(request.stdin_fd, STDIN_FILENO) || !MoveTo(request.stdout_fd, STDOUT_FILENO) ||
      !MoveTo(request.stderr_fd, STDERR_FILENO)) {
    return;
  }
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0) return;
  execvpe(argv[0], argv, environment);
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// A variable of the same name that was there before is left out.
std::vector<char*> EnvironmentWith(const std::string& variable) {
  std::vector<char*> entries;
  const std::string prefix = variable.substr(0, variable.find('=') + 1);
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (prefix.empty() || std::string(*entry).rfind(prefix, 0) != 0) entries.push_back(*entry);
  }
  if (!variable.empty()) entries.push_back(const_cast<char*>(variable.c_str()));
  entries.push_back(nullptr);
  return entries;
}

}  // namespace

OwnChild OwnChild::Start(const ChildRequest& request, int* error) {
  OwnChild child;
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) {
    *error = errno;
    return child;
  }
  const UniqueFd report_read(report[0]);
  UniqueFd report_write(report[1]);
  const std::vector<char*> argv = Pointers(request.arguments);
  const std::vector<char*> environment = EnvironmentWith(request.variable);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    *error = errno;
    return child;
  }
  if (pid == 0) {
    BecomeProgram(request, argv.data(), environment.data(), parent);
    const int failed = errno;
    (void)!write(report_write.get(), &failed, sizeof(failed));
    _exit(127);
  }
  report_write.Reset();
  // Here too, so that the group exists whichever of the two runs first. Fails once it has exec'd,
  // and then it has done so itself.
  if (request.own_group) (void)setpgid(pid, pid);
  child.pid_ = pid;
  child.leads_group_ = request.own_group;
  child.pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  *error = child.pidfd_.ok() ? 0 : errno;

  int failed = 0;
  ssize_t size = 0;
  do {
    size = read(report_read.get(), &failed, sizeof(failed));
  } while (size < 0 && errno == EINTR);
  if (size == sizeof(failed)) *error = failed;
  if (*error != 0) {
    // It may run, but nothing could be told to it. Not waited for yet, so the pid is its own.
    (void)kill(pid, SIGKILL);
    child.Reap();
  }
  return child;
}

bool OwnChild::Signal(int signal) const {
  return syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) == 0;
}

void OwnChild::KillGroup() const {
  if (started() && leads_group_) (void)kill(-pid_, SIGKILL);
}

int OwnChild::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pidfd_.Reset();
  return status;
}

}  // namespace procctl::run
