#include "node/os/program_start.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "node/os/descriptor_limit.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr int kErrorFd = 3;
constexpr int kGateFd = 4;

// What a shell takes where nobody says otherwise.
constexpr std::string_view kUsualPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// One write to a pipe: whole or not there.
struct ChildError {
  int error = 0;
  char call[28] = {};
  char object[480] = {};
};

// All that the child needs, made before the fork: it must not allocate.
struct ChildPlan {
  const ProgramStart* start = nullptr;
  const ProgramUser* user = nullptr;
  std::string executable;
  std::vector<char*> argv;
  std::vector<char*> env;
  std::optional<rlimit> descriptors;
  std::string oom_score_adj;
  int gate = -1;
  int error = -1;
  // It was born in its cgroup.
  bool in_cgroup = false;
};

// Between fork and exec: only async-signal-safe calls.
class Child {
 public:
  explicit Child(const ChildPlan& plan) : plan_(plan), start_(*plan.start), error_fd_(plan.error) {}

  [[noreturn]] void Run() {
    if (Become() && PassGate() && LeaveMark()) {
      execve(plan_.executable.c_str(), plan_.argv.data(), plan_.env.data());
      (void)Fail("exec", plan_.executable.c_str());
    }
    if (failed_) (void)!write(error_fd_, &report_, sizeof report_);
    // Not _exit: a thread sanitizer makes that write what the guardian has in its buffers.
    for (;;) (void)syscall(SYS_exit_group, 127);
  }

 private:
  bool Fail(const char* call, const char* object) {
    report_.error = errno;
    Copy(call, report_.call, sizeof report_.call);
    Copy(object, report_.object, sizeof report_.object);
    failed_ = true;
    return false;
  }

  static void Copy(const char* from, char* to, size_t size) {
    while (*from != '\0' && size-- > 1) *to++ = *from++;
    *to = '\0';
  }

  bool Become() {
    return MoveDescriptors() && ResetSignals() && LeaveSession() && EnterCgroup() &&
           OpenStandard() && OpenMark() && SetOomScore() && SetLimits() && ChangeUser() &&
           EnterDir();
  }

  // First of all: whatever else of the guardian's stays open here (the gates of other programs, its
  // locks) would outlive it.
  bool MoveDescriptors() {
    // Both above 4 first, so that neither is overwritten by the other's move.
    int error = plan_.error;
    int gate = plan_.gate;
    if (error <= kGateFd) error = fcntl(error, F_DUPFD, kGateFd + 1);
    if (error < 0) return Fail("fcntl", "");
    error_fd_ = error;
    if (gate <= kGateFd) gate = fcntl(gate, F_DUPFD, kGateFd + 1);
    if (gate < 0 || dup3(error, kErrorFd, O_CLOEXEC) < 0) return Fail("dup", "");
    error_fd_ = kErrorFd;
    if (dup3(gate, kGateFd, O_CLOEXEC) < 0) return Fail("dup", "");
    if (syscall(SYS_close_range, kGateFd + 1, ~0U, 0) != 0) return Fail("close_range", "");
    return true;
  }

  bool ResetSignals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    // SIGKILL and SIGSTOP refuse; they are default anyway.
    for (int signal = 1; signal < NSIG; ++signal) (void)sigaction(signal, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, nullptr) == 0 || Fail("sigprocmask", "");
  }

  bool LeaveSession() { return setsid() >= 0 || Fail("setsid", ""); }

  bool WriteFile(const char* call, const char* path, const char* text, size_t size) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return Fail(call, path);
    const bool written = write(fd, text, size) == static_cast<ssize_t>(size);
    if (!written) (void)Fail(call, path);
    close(fd);
    return written;
  }

  bool EnterCgroup() {
    if (start_.cgroup_procs.empty() || plan_.in_cgroup) return true;
    return WriteFile("cgroup", start_.cgroup_procs.c_str(), "0", 1);
  }

  bool OpenAs(int number, const std::string& path, int flags) {
    const char* name = path.empty() ? "/dev/null" : path.c_str();
    const int fd = open(name, flags | O_NOCTTY);
    if (fd < 0) return Fail("open", name);
    if (fd == number) return true;
    if (dup2(fd, number) < 0) return Fail("dup2", name);
    close(fd);
    return true;
  }

  bool OpenStandard() {
    if (!OpenAs(STDIN_FILENO, "", O_RDONLY)) return false;
    if (!OpenAs(STDOUT_FILENO, start_.stdout_fifo, O_RDWR)) return false;
    if (start_.stdout_fifo == start_.stderr_fifo)
      return dup2(STDOUT_FILENO, STDERR_FILENO) >= 0 || Fail("dup2", "stderr");
    return OpenAs(STDERR_FILENO, start_.stderr_fifo, O_RDWR);
  }

  bool OpenMark() {
    if (start_.mark_path.empty()) return true;
    mark_fd_ = open(start_.mark_path.c_str(),
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
    return mark_fd_ >= 0 || Fail("open", start_.mark_path.c_str());
  }

  bool LeaveMark() {
    if (mark_fd_ < 0) return true;
    const auto size = static_cast<ssize_t>(start_.mark.size());
    return write(mark_fd_, start_.mark.data(), start_.mark.size()) == size ||
           Fail("write", start_.mark_path.c_str());
  }

  bool SetOomScore() {
    if (WriteFile("oom_score_adj", "/proc/self/oom_score_adj", plan_.oom_score_adj.data(),
                  plan_.oom_score_adj.size())) {
      return true;
    }
    // Nobody asked for 0, and a guardian without privileges may not lower what it was given.
    if (start_.oom_score_adj == 0) failed_ = false;
    return !failed_;
  }

  // Before the change of user: raising a hard limit takes privileges. After everything was opened:
  // a small RLIMIT_NOFILE is the program's trouble, not ours.
  bool SetLimits() {
    if (plan_.descriptors && setrlimit(RLIMIT_NOFILE, &*plan_.descriptors) != 0)
      return Fail("setrlimit", "nofile");
    for (const ResourceLimit& limit : start_.rlimits) {
      const rlimit values{limit.soft, limit.hard};
      const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
      if (setrlimit(resource, &values) != 0) return Fail("setrlimit", limit.name.c_str());
    }
    if (start_.nice && setpriority(PRIO_PROCESS, 0, *start_.nice) != 0) return Fail("nice", "");
    return true;
  }

  bool ChangeUser() {
    if (plan_.user == nullptr) return true;
    const ProgramUser& user = *plan_.user;
    const char* name = user.name.c_str();
    // The kernel's own calls: those of the C library would have all threads follow, and after a
    // clone3 it still believes in those of the guardian.
    if (syscall(SYS_setgroups, user.groups.size(), user.groups.data()) != 0)
      return Fail("setgroups", name);
    if (syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0) return Fail("setresgid", name);
    if (syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) return Fail("setresuid", name);
    // Those survive exec where the guardian is not root but was given them to change users.
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return true;
  }

  // As the user that it will be: a folder that only root may enter is refused now.
  bool EnterDir() {
    if (chdir(start_.dir.c_str()) != 0) return Fail("chdir", start_.dir.c_str());
    umask(start_.umask);
    return true;
  }

  bool PassGate() {
    char byte = 0;
    ssize_t n = 0;
    do {
      n = read(kGateFd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1;
  }

  const ChildPlan& plan_;
  const ProgramStart& start_;
  // Where the failure is to be written: it moves on the way, and whatever has its old number or its
  // new one before that is the parent's.
  int error_fd_;
  int mark_fd_ = -1;
  bool failed_ = false;
  ChildError report_;
};

std::string_view PathOf(const std::vector<std::string>& env) {
  constexpr std::string_view kKey = "PATH=";
  for (const std::string& entry : env) {
    if (entry.compare(0, kKey.size(), kKey) == 0) return std::string_view(entry).substr(5);
  }
  return kUsualPath;
}

std::string_view HintFor(std::string_view call, int error) {
  if (call == "exec" && error == ENOEXEC)
    return "; a script must begin with #! and its interpreter, as in #!/bin/sh";
  if (call == "exec" && error == EACCES)
    return "; the program's user must be allowed to execute it and to pass every folder above it";
  if (call == "exec" && error == E2BIG) return "; its arguments and environment are too large";
  if ((call == "setgroups" || call == "setresgid" || call == "setresuid") && error == EPERM)
    return "; only root may start programs as another user: run procctl-node as root, or remove "
           "the user";
  if (call == "setrlimit" && error == EPERM)
    return "; only root may raise a hard limit: run procctl-node as root, or lower the limit";
  if ((call == "nice" || call == "oom_score_adj") && (error == EACCES || error == EPERM))
    return "; only root may set it lower than procctl-node's own";
  return "";
}

absl::Status ToStatus(const ChildError& report) {
  const std::string what =
      fmt::format("{}{}{}: {}{}", report.call, report.object[0] == '\0' ? "" : " ", report.object,
                  std::strerror(report.error), HintFor(report.call, report.error));
  switch (report.error) {
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(what);
    case ETXTBSY:  // its file is being written
      return absl::UnavailableError(what);
    default:
      return absl::FailedPreconditionError(what);
  }
}

bool MustChange(const ProgramUser& user) {
  return geteuid() == 0 || user.uid != geteuid() || user.gid != getegid();
}

bool IsAmong(int resource, const std::vector<ResourceLimit>& limits) {
  for (const ResourceLimit& limit : limits) {
    if (limit.resource == resource) return true;
  }
  return false;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status OutOf(const char* what) {
  return absl::ResourceExhaustedError(fmt::format("{}: {}", what, std::strerror(errno)));
}

#if defined(__SANITIZE_THREAD__)
constexpr bool kMayClone = false;  // its runtime must hear of a fork
#else
constexpr bool kMayClone = true;
#endif

// A child that is in its cgroup from the first. Moving there costs a process 10 ms and more, for
// the kernel then waits until no other is being forked or ends. -1: not to be had (before 5.7, or
// the cgroup refuses), and no reason is worth telling: the move fails too, and says why.
pid_t CloneIntoCgroup(const std::string& procs) {
  if (procs.empty() || !kMayClone) return -1;
  const std::string folder = procs.substr(0, procs.rfind('/'));
  const UniqueFd cgroup(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (cgroup.get() < 0) return -1;
  clone_args how{};
  how.flags = CLONE_INTO_CGROUP;
  how.exit_signal = SIGCHLD;
  how.cgroup = static_cast<uint64_t>(cgroup.get());
  return static_cast<pid_t>(syscall(SYS_clone3, &how, sizeof how));
}

// No handler of ours may run in the child before the signals are reset.
pid_t ForkWithSignalsBlocked(ChildPlan* plan) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = CloneIntoCgroup(plan->start->cgroup_procs);
  plan->in_cgroup = pid >= 0;
  if (pid < 0) pid = fork();
  const int error = errno;
  if (pid != 0) (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

}  // namespace

absl::StatusOr<std::string> FindInPath(const std::string& name, std::string_view path,
                                       const std::string& dir) {
  std::string not_executable;
  for (std::string_view rest = path; !name.empty();) {
    const size_t end = std::min(rest.find(':'), rest.size());
    std::string folder(rest.substr(0, end));
    if (folder.empty() || folder[0] != '/') folder = folder.empty() ? dir : dir + "/" + folder;
    const std::string candidate = folder + "/" + name;
    struct stat found {};
    if (stat(candidate.c_str(), &found) == 0 && S_ISREG(found.st_mode)) {
      if ((found.st_mode & 0111) != 0) return candidate;
      if (not_executable.empty()) not_executable = candidate;
    }
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (!not_executable.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("{0} is not executable; run: chmod +x {0}", not_executable));
  }
  return absl::NotFoundError(fmt::format(
      "\"{}\" is in none of the folders of PATH ({}); write its full path, or set PATH in env",
      name, path));
}

absl::StatusOr<HeldProgram> HeldProgram::Start(const ProgramStart& start) {
  if (start.argv.empty()) return absl::InvalidArgumentError("a program without a command");
  ChildPlan plan;
  plan.start = &start;
  plan.executable = start.argv[0];
  if (plan.executable.find('/') == std::string::npos) {
    auto found = FindInPath(plan.executable, PathOf(start.env), start.dir);
    if (!found.ok()) return found.status();
    plan.executable = *std::move(found);
  }
  plan.argv = Pointers(start.argv);
  plan.env = Pointers(start.env);
  if (start.user != nullptr && MustChange(*start.user)) plan.user = start.user;
  if (!IsAmong(RLIMIT_NOFILE, start.rlimits)) plan.descriptors = SavedDescriptorLimit();
  plan.oom_score_adj = std::to_string(start.oom_score_adj);

  int errors[2];
  if (pipe2(errors, O_CLOEXEC) != 0) return OutOf("pipe");
  UniqueFd error_read(errors[0]);
  UniqueFd error_write(errors[1]);
  (void)fcntl(error_read.get(), F_SETFL, O_NONBLOCK);  // cannot fail on a pipe
  // Not a pipe: opening the gate of a child that is gone must not raise SIGPIPE.
  int gates[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gates) != 0) return OutOf("socketpair");
  UniqueFd gate(gates[0]);
  UniqueFd child_gate(gates[1]);
  plan.error = error_write.get();
  plan.gate = child_gate.get();

  const pid_t pid = ForkWithSignalsBlocked(&plan);
  if (pid < 0) return OutOf("fork");
  if (pid == 0) Child(plan).Run();
  auto process = ProcessRef::OwnChild(pid);
  // The gate closes with `gate`: a child without a handle goes by itself, and is reaped like a
  // stranger.
  if (!process.ok()) return process.status();
  return HeldProgram(*std::move(process), std::move(gate), std::move(error_read));
}

void HeldProgram::Release() {
  if (released_) return;
  released_ = true;
  const char byte = 1;
  (void)send(gate_.get(), &byte, 1, MSG_NOSIGNAL);  // it fails if the child is gone: outcome tells
  gate_.reset();
}

std::optional<absl::Status> HeldProgram::TakeOutcome() {
  if (outcome_) return outcome_;
  ChildError report;
  ssize_t n = 0;
  do {
    n = read(error_.get(), &report, sizeof report);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::nullopt;
  if (n == static_cast<ssize_t>(sizeof report)) {
    outcome_ = ToStatus(report);
  } else if (n != 0) {
    outcome_ = absl::UnknownError("what became of the start cannot be told");
  } else if (!released_) {
    outcome_ = absl::AbortedError("it ended before it was let go");
  } else {
    outcome_ = absl::OkStatus();
  }
  return outcome_;
}

}  // namespace procctl::node
