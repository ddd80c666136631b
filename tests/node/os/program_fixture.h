// Programs as the tests of this room start them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "node/os/program_start.h"

namespace procctl::node {

// Far longer than anything here takes on a machine that is slow and full.
inline constexpr int kPatienceMs = 60000;

inline bool Readable(int fd, int timeout_ms = kPatienceMs) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, timeout_ms) == 1;
}

class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/procctl-os-XXXXXX";
    path_ = mkdtemp(name);
    // Programs of other users must be able to get here.
    (void)chmod(path_.c_str(), 0755);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The reading end of a FIFO.
class Fifo {
 public:
  explicit Fifo(std::string path) : path_(std::move(path)) {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    fd_ = UniqueFd(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

  // What is there now.
  std::string Drain() {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(fd_.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    return text;
  }

  // Waits for the next line, without its newline.
  std::string Line() {
    while (seen_.find('\n') == std::string::npos) {
      // Nobody writes any more: POLLHUP without data.
      if (!Readable(fd_.get())) return "no line came";
      const std::string more = Drain();
      if (more.empty()) return "no more lines: " + seen_;
      seen_ += more;
    }
    const size_t end = seen_.find('\n');
    std::string line = seen_.substr(0, end);
    seen_.erase(0, end + 1);
    return line;
  }

 private:
  std::string path_;
  UniqueFd fd_;
  std::string seen_;
};

inline ProgramStart Shell(const std::string& script) {
  ProgramStart start;
  start.argv = {"/bin/sh", "-c", script};
  start.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  return start;
}

inline absl::Status AwaitOutcome(HeldProgram* held) {
  if (!Readable(held->error_fd())) return absl::DeadlineExceededError("no outcome");
  return held->TakeOutcome().value_or(absl::InternalError("readable without an outcome"));
}

// Starts it, lets it go and waits for exec.
inline absl::StatusOr<ProcessRef> StartProgram(const ProgramStart& start) {
  auto held = HeldProgram::Start(start);
  if (!held.ok()) return held.status();
  held->Release();
  if (absl::Status s = AwaitOutcome(&*held); !s.ok()) {
    (void)waitpid(held->process().identity().pid, nullptr, 0);
    return s;
  }
  return held->TakeProcess();
}

// Waits for the end of a child of ours and reaps it.
inline siginfo_t AwaitEnd(const ProcessRef& process) {
  siginfo_t info{};
  EXPECT_TRUE(Readable(process.pidfd())) << "pid " << process.identity().pid << " does not end";
  (void)waitid(P_PIDFD, static_cast<id_t>(process.pidfd()), &info, WEXITED | WNOHANG);
  return info;
}

}  // namespace procctl::node
