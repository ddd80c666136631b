#include "tests/bench/supervisors.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tests/e2e/harness/fleet.h"

namespace procctl::bench {
namespace {

namespace fs = std::filesystem;
using e2e::HarnessError;
using e2e::WriteFile;
using std::chrono_literals::operator""s;

constexpr auto kStopPatience = 30s;

std::string MakeFolder(const std::string& below) {
  std::string path = below + "/procctl-bench-XXXXXX";
  if (mkdtemp(path.data()) == nullptr)
    throw HarnessError("mkdtemp: " + std::string(strerror(errno)));
  chmod(path.c_str(), 0755);  // the uplink runs as another user
  return path;
}

std::string InPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

std::string CommOf(pid_t pid) {
  std::string comm = e2e::ReadFile("/proc/" + std::to_string(pid) + "/comm");
  if (!comm.empty()) comm.pop_back();
  return comm;
}

// Of all its threads: any may have forked.
std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> out;
  std::error_code gone;
  for (const auto& task :
       fs::directory_iterator("/proc/" + std::to_string(parent) + "/task", gone)) {
    std::istringstream children(e2e::ReadFile(task.path().string() + "/children"));
    for (pid_t pid = 0; children >> pid;) out.push_back(pid);
  }
  return out;
}

// Children of ours that nobody else reaps: a pid is theirs until we do.
void EndChildren() {
  for (std::vector<pid_t> left = ChildrenOf(getpid()); !left.empty(); left = ChildrenOf(getpid())) {
    for (const pid_t pid : left) {
      (void)kill(pid, SIGKILL);
      (void)waitpid(pid, nullptr, 0);
    }
  }
}

}  // namespace

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kProcctl:
      return "procctl-node";
    case Kind::kSupervisord:
      return "supervisord";
    case Kind::kS6:
      return "s6";
  }
  return "";
}

std::string ProgramOf(Kind kind) {
  switch (kind) {
    case Kind::kProcctl:
      return e2e::Program("procctl-node");
    case Kind::kSupervisord:
      return InPath("supervisord");
    case Kind::kS6:
      return InPath("s6-svscan");
  }
  return "";
}

Supervisor::Supervisor(Kind kind, int programs)
    : kind_(kind),
      folder_(MakeFolder("/tmp")),
      runtime_(MakeFolder(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")) {
  const std::string fifo = folder_ + "/started";
  if (mkfifo(fifo.c_str(), 0600) != 0)
    throw HarnessError(fifo + ": " + std::string(strerror(errno)));
  // For both: it never says that the last writer has gone.
  fifo_ = open(fifo.c_str(), O_RDWR | O_CLOEXEC);
  e2e::Launch launch = Prepare(programs);
  launch.out = folder_ + "/out";
  launch.err = folder_ + "/err";
  process_ = e2e::Child(std::move(launch));
  try {
    for (int i = 0; i < programs; ++i) first_.push_back(Await(60s));
  } catch (...) {
    Stop();
    throw;
  }
}

Supervisor::~Supervisor() { Stop(); }

e2e::Launch Supervisor::Prepare(int programs) const {
  switch (kind_) {
    case Kind::kProcctl:
      return PrepareProcctl(programs);
    case Kind::kSupervisord:
      return PrepareSupervisord(programs);
    case Kind::kS6:
      return PrepareS6(programs);
  }
  return {};
}

e2e::Launch Supervisor::PrepareProcctl(int programs) const {
  fs::create_directories(folder_ + "/state");
  // The build may lie where the uplink's user sees nothing.
  fs::copy_file(e2e::Program("procctl-uplink"), folder_ + "/procctl-uplink");
  std::string yaml = "node: bench\nruntime_dir: " + runtime_ + "\nstate_dir: " + folder_ +
                     "/state\nuplink: {user: nobody, path: " + folder_ +
                     "/procctl-uplink}\nprograms:\n";
  for (int i = 0; i < programs; ++i) {
    yaml += "  - {name: p" + std::to_string(i) + ", command: [" + e2e::Program("bench_started") +
            "], dir: " + folder_ +
            ", backoff: {first: 0s}, intensity: {starts: 1000000, within: 1s}}\n";
  }
  WriteFile(folder_ + "/node.yaml", yaml);
  e2e::Launch launch;
  launch.argv = {ProgramOf(kind_), folder_ + "/node.yaml"};
  return launch;
}

e2e::Launch Supervisor::PrepareSupervisord(int programs) const {
  std::string ini = "[supervisord]\nnodaemon=true\nlogfile=" + folder_ +
                    "/supervisord.log\npidfile=" + folder_ + "/pid\nchildlogdir=" + folder_ +
                    "\nminfds=4096\n" + (geteuid() == 0 ? "user=root\n" : "");
  for (int i = 0; i < programs; ++i) {
    ini += "[program:p" + std::to_string(i) + "]\ncommand=" + e2e::Program("bench_started") +
           "\ndirectory=" + folder_ +
           "\nautorestart=true\nstartsecs=0\nstartretries=1000000\n"
           "stdout_logfile=NONE\nstderr_logfile=NONE\n";
  }
  WriteFile(folder_ + "/supervisord.conf", ini);
  e2e::Launch launch;
  launch.argv = {ProgramOf(kind_), "-c", folder_ + "/supervisord.conf"};
  launch.descriptors = 4096;
  return launch;
}

e2e::Launch Supervisor::PrepareS6(int programs) const {
  for (int i = 0; i < programs; ++i) {
    const std::string service = folder_ + "/scan/p" + std::to_string(i);
    fs::create_directories(service);
    // It is run in its own folder.
    fs::create_symlink(e2e::Program("bench_started"), service + "/run");
    fs::create_symlink(folder_ + "/started", service + "/started");
  }
  e2e::Launch launch;
  launch.argv = {ProgramOf(kind_), folder_ + "/scan"};
  return launch;
}

Mark Supervisor::Await(std::chrono::milliseconds limit) {
  pollfd readable{fifo_, POLLIN, 0};
  Mark mark;
  if (poll(&readable, 1, static_cast<int>(limit.count())) != 1 ||
      read(fifo_, &mark, sizeof mark) != sizeof mark) {
    throw HarnessError(std::string(NameOf(kind_)) + " did not start a program within " +
                       std::to_string(limit.count()) + " ms; it says:\n" + process_.Out() +
                       process_.Err());
  }
  return mark;
}

std::vector<Part> Supervisor::Parts() const {
  std::vector<Part> parts = {{CommOf(process_.pid()), process_.pid()}};
  const std::string program = "bench_started";
  for (const pid_t pid : ChildrenOf(process_.pid())) {
    const std::string comm = CommOf(pid);
    // s6 calls it by the name of its link.
    if (comm != program && comm != "run") parts.push_back({comm, pid});
  }
  return parts;
}

void Supervisor::Stop() {
  // A guardian that is sent SIGTERM leaves its programs to the next one.
  process_.Signal(kind_ == Kind::kProcctl ? SIGINT : SIGTERM);
  if (!process_.WaitExit(kStopPatience)) process_.Kill();
  EndChildren();
  if (fifo_ >= 0) close(fifo_);
  fifo_ = -1;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  fs::remove_all(runtime_, ignored);
}

}  // namespace procctl::bench
