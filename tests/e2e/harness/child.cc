#include "tests/e2e/harness/child.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

// In the child, where nothing can be reported but by the exit code.
void Redirect(const std::string& path, int fd) {
  const int file =
      open(path.empty() ? "/dev/null" : path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (file < 0 || dup2(file, fd) < 0) _exit(126);
  if (file != fd) close(file);
}

void DieWithParent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(125);  // it was gone before the request
}

// Of a child of ours, which nobody else can reap: its pid is still its own here.
int OpenPidfd(pid_t pid) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) throw HarnessError("pidfd_open: " + std::string(strerror(errno)));
  return fd;
}

[[noreturn]] void Execute(const Launch& launch, pid_t parent) {
  if (launch.prepare && !launch.prepare()) _exit(126);
  if (launch.descriptors > 0) {
    const rlimit limit{static_cast<rlim_t>(launch.descriptors),
                       static_cast<rlim_t>(launch.descriptors)};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(126);
  }
  Redirect(launch.out, STDOUT_FILENO);
  Redirect(launch.err, STDERR_FILENO);
  if (launch.uid) {
    if (setgroups(0, nullptr) != 0 || setresgid(*launch.uid, *launch.uid, *launch.uid) != 0 ||
        setresuid(*launch.uid, *launch.uid, *launch.uid) != 0) {
      _exit(126);
    }
  }
  DieWithParent(parent);  // after the change of user, which clears it
  for (const auto& [name, value] : launch.env) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& argument : launch.argv)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

Child::Child(Launch launch) : launch_(std::move(launch)) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw HarnessError("fork: " + std::string(strerror(errno)));
  if (pid == 0) Execute(launch_, parent);
  pid_ = pid;
  pidfd_ = OpenPidfd(pid);
}

Child Child::Fork(const std::function<int()>& body) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw HarnessError("fork: " + std::string(strerror(errno)));
  if (pid == 0) {
    DieWithParent(parent);
    _exit(body());
  }
  return Adopt(pid);
}

Child Child::Adopt(pid_t pid) {
  Child child;
  child.pid_ = pid;
  child.pidfd_ = OpenPidfd(pid);
  return child;
}

Child::~Child() { Kill(); }

Child::Child(Child&& other) noexcept { *this = std::move(other); }

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  Kill();
  launch_ = std::move(other.launch_);
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::exchange(other.pidfd_, -1);
  status_ = std::exchange(other.status_, std::nullopt);
  return *this;
}

void Child::Reap() {
  if (pidfd_ < 0 || status_) return;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
}

bool Child::Running() {
  Reap();
  return pidfd_ >= 0 && !status_;
}

void Child::Signal(int signal) const {
  if (pidfd_ >= 0) (void)syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0);
}

std::optional<int> Child::WaitExit(std::chrono::milliseconds limit) {
  if (pidfd_ >= 0 && !status_) {
    pollfd ended{pidfd_, POLLIN, 0};
    (void)poll(&ended, 1, static_cast<int>(limit.count()));  // a zombie is readable
    Reap();
  }
  return status_;
}

void Child::Kill() {
  if (pidfd_ < 0) return;
  if (Running()) {
    Signal(SIGKILL);
    Signal(SIGCONT);
    // Bounded: a process in uninterruptible sleep must not hang the test that made it.
    (void)WaitExit(10s);
  }
  close(std::exchange(pidfd_, -1));
}

std::string Child::Out() const { return ReadFile(launch_.out); }
std::string Child::Err() const { return ReadFile(launch_.err); }

std::string Child::AwaitLine(const std::string& prefix, std::chrono::milliseconds limit) {
  std::string rest;
  const auto found = [&] {
    std::istringstream lines(Out());
    std::string line;
    while (std::getline(lines, line) && !lines.eof()) {
      if (line.starts_with(prefix)) {
        rest = line.substr(prefix.size());
        return true;
      }
    }
    return false;
  };
  const auto outcome = [&] {
    const bool running = Running();
    return launch_.argv[0] + (running ? "" : " ended, status " + std::to_string(*status_)) +
           "\nstdout: " + Out() + "\nstderr: " + Err();
  };
  Await(
      limit, "a line '" + prefix + "...'", [&] { return found() || !Running(); }, outcome);
  if (!found()) throw HarnessError("no line '" + prefix + "...': " + outcome());
  return rest;
}

Finished RunToEnd(Launch launch, std::chrono::milliseconds limit) {
  char out[] = "/tmp/procctl-run-out-XXXXXX";
  char err[] = "/tmp/procctl-run-err-XXXXXX";
  close(mkstemp(out));
  close(mkstemp(err));
  launch.out = out;
  launch.err = err;
  const std::string program = launch.argv[0];
  Child child(std::move(launch));
  const std::optional<int> status = child.WaitExit(limit);
  Finished finished{-1, child.Out(), child.Err()};
  unlink(out);
  unlink(err);
  if (!status) throw HarnessError(program + " did not end in time; stderr: " + finished.err);
  finished.exit_code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  return finished;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  if (!file.flush()) throw HarnessError("cannot write " + path);
}

}  // namespace procctl::e2e
