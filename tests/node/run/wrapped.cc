#include "tests/node/run/wrapped.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "node/run/proc_stat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace procctl::run {

using heartbeat::BeatsOf;
using std::chrono::milliseconds;

bool Within(milliseconds limit, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

Folder::Folder() {
  char path[] = "/tmp/procctl-run-XXXXXX";
  if (mkdtemp(path) == nullptr) std::abort();
  path_ = path;
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

void Touch(const std::string& path) { std::ofstream file(path); }

bool Exists(const std::string& path) { return std::filesystem::exists(path); }

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Watched::Watched(pid_t pid) : pidfd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

Watched::~Watched() {
  if (pidfd_.ok()) Signal(SIGKILL);
}

bool Watched::HasEnded() const {
  pollfd ended = {pidfd_.get(), POLLIN, 0};
  return !pidfd_.ok() || poll(&ended, 1, 0) != 0;
}

void Watched::Signal(int signal) const {
  (void)syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

namespace {

// How many there are, and who was a child of the test before the first of them.
int wrapped_alive = 0;
std::set<pid_t> children_before;

std::set<pid_t> OwnChildren() {
  std::set<pid_t> children;
  for (const pid_t pid : AllPids()) {
    if (const auto stat = ReadProcStat(pid); stat && stat->parent == getpid()) children.insert(pid);
  }
  return children;
}

// Whoever a procctl-run leaves behind that is killed, or that leaves it on purpose. Orphans come to
// the test, and until it reaps them their numbers are their own.
void EndLeftovers() {
  for (bool ended = true; ended;) {
    ended = false;
    for (const pid_t pid : OwnChildren()) {
      if (children_before.count(pid) != 0) continue;
      (void)kill(pid, SIGKILL);
      ended = waitpid(pid, nullptr, 0) == pid || ended;
    }
  }
}

}  // namespace

const char* ProcctlRunPath() { return PROCCTL_RUN; }

Wrapped::Wrapped(std::vector<std::string> arguments) : Wrapped(std::move(arguments), -1) {}

Wrapped::Wrapped(std::vector<std::string> arguments, int stdout_fd) {
  arguments.insert(arguments.begin(), ProcctlRunPath());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  const UniqueFd out(open((folder_ / "out").c_str(), kFlags, 0600));
  const UniqueFd err(open((folder_ / "err").c_str(), kFlags, 0600));
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (wrapped_alive++ == 0) children_before = OwnChildren();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(stdout_fd >= 0 ? stdout_fd : out.get(), STDOUT_FILENO);
    dup2(err.get(), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(99);
  }
}

Wrapped::~Wrapped() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (--wrapped_alive == 0) EndLeftovers();
}

void Wrapped::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

bool Wrapped::Prints(const std::string& text) const {
  return Within(kPatience, [&] { return out().find(text) != std::string::npos; });
}

pid_t Wrapped::PidAfter(const std::string& word) const {
  pid_t pid = -1;
  Within(kPatience, [&] {
    std::istringstream lines(out());
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
      if (line.rfind(word + " ", 0) == 0) pid = std::atoi(line.c_str() + word.size() + 1);
    }
    return pid > 0;
  });
  return pid;
}

int Wrapped::Wait() {
  int status = 0;
  if (!Within(kPatience, [&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1000;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string NoteOf(const procctl_page& page) {
  std::string note;
  for (const char& c : page.note) {
    const char byte = __atomic_load_n(&c, __ATOMIC_RELAXED);
    if (byte == '\0') break;
    note += byte;
  }
  return note;
}

bool Moves(const procctl_page& page) {
  const uint64_t before = BeatsOf(page);
  return Within(kPatience, [&] { return BeatsOf(page) != before; });
}

bool Rests(const procctl_page& page) {
  const uint64_t before = BeatsOf(page);
  std::this_thread::sleep_for(milliseconds(300));
  return BeatsOf(page) == before;
}

}  // namespace procctl::run
