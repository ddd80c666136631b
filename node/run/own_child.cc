#include "node/run/own_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

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

// Room for the digits of any pid.
constexpr size_t kPidDigits = 10;

// Writes the pid and a NUL over the zeros at the end of "NAME=00000000000". Async-signal-safe.
void WritePid(pid_t pid, std::string* variable) {
  char digits[kPidDigits];
  size_t count = 0;
  for (; pid > 0 && count < kPidDigits; pid /= 10)
    digits[count++] = static_cast<char>('0' + pid % 10);
  const size_t start = variable->size() - kPidDigits - 1;
  for (size_t i = 0; i < count; ++i) (*variable)[start + i] = digits[count - 1 - i];
  (*variable)[start + count] = '\0';
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Variables of the same names that were there before are left out.
std::vector<char*> EnvironmentWith(std::vector<std::string>* variables) {
  std::vector<char*> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    const bool replaced =
        equals != std::string_view::npos &&
        std::any_of(variables->begin(), variables->end(), [&](const std::string& variable) {
          return variable.compare(0, equals + 1, text.substr(0, equals + 1)) == 0;
        });
    if (!replaced) entries.push_back(*entry);
  }
  for (std::string& variable : *variables) entries.push_back(variable.data());
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
  std::vector<std::string> variables = request.variables;
  if (!request.pid_variable.empty()) {
    variables.push_back(request.pid_variable + "=" + std::string(kPidDigits + 1, '0'));
  }
  const std::vector<char*> environment = EnvironmentWith(&variables);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    *error = errno;
    return child;
  }
  if (pid == 0) {
    if (!request.pid_variable.empty()) WritePid(getpid(), &variables.back());
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
