#include "tests/e2e/harness/diary.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

namespace fs = std::filesystem;

bool HasOnCommandLine(pid_t pid, const std::string& text) {
  // Not by a stream: a process that ends while it is read makes that throw.
  const int fd = open(("/proc/" + std::to_string(pid) + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char line[4096];
  const ssize_t n = read(fd, line, sizeof line);
  close(fd);
  return n > 0 && std::string_view(line, static_cast<size_t>(n)).find(text) != std::string::npos;
}

}  // namespace

Diary::Diary() {
  const std::string folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  path_ = folder + "/procctl-diary-XXXXXX";
  const int fd = mkstemp(path_.data());
  if (fd < 0) throw HarnessError("no file for a diary in " + folder);
  close(fd);
}

Diary::~Diary() {
  for (const pid_t pid : Writers()) {
    const auto handle = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (handle < 0) continue;
    // Once more, now that the handle says whose pid it is.
    if (HasOnCommandLine(pid, path_)) {
      (void)syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
    }
    close(handle);
  }
  (void)unlink(path_.c_str());
}

std::vector<DiaryLine> Diary::Read() const {
  std::vector<DiaryLine> lines;
  std::istringstream text(ReadFile(path_));
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string what;
    DiaryLine& read = lines.emplace_back();
    words >> what >> read.run >> read.pid >> read.since_boot_ns;
    const size_t slash = read.run.find('/');
    if (!words || (what != "start" && what != "end") || slash == std::string::npos)
      throw HarnessError("no line of a diary: " + line);
    read.start = what == "start";
    read.program = read.run.substr(0, slash);
  }
  return lines;
}

std::set<pid_t> Diary::Writers() const {
  std::set<pid_t> pids;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    const auto pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    if (pid > 0 && pid != getpid() && HasOnCommandLine(pid, path_)) pids.insert(pid);
  }
  return pids;
}

}  // namespace procctl::e2e
