// A process that a test started: signalled only through its own pidfd, reaped, and gone with the
// test whatever becomes of the test (PR_SET_PDEATHSIG).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace procctl::e2e {

struct Launch {
  std::vector<std::string> argv;
  // Added to, or replacing part of, the test's own environment.
  std::vector<std::pair<std::string, std::string>> env;
  // Files that take its output. Empty: /dev/null.
  std::string out;
  std::string err;
  // Runs as this user and no other group, where given (needs root).
  std::optional<uid_t> uid;
  // RLIMIT_NOFILE, where not 0.
  int descriptors = 0;
  // Runs in the new process, as the test's own user, before anything else is done there. False: it
  // exits with 126.
  std::function<bool()> prepare;
};

class Child {
 public:
  Child() = default;
  // Throws HarnessError if it cannot be started; a program that cannot be executed exits 127.
  explicit Child(Launch launch);
  // Runs `body` in a forked child, which then exits with what it returned.
  static Child Fork(const std::function<int()>& body);
  // Takes charge of a child that was made in another way.
  static Child Adopt(pid_t pid);

  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  pid_t pid() const { return pid_; }
  // False once it has been reaped.
  bool Running();
  void Signal(int signal) const;
  // Reaps it. Empty if it still runs after `limit`. The value is as from waitpid.
  std::optional<int> WaitExit(std::chrono::milliseconds limit);
  // SIGKILL, and reaps.
  void Kill();

  // What it has written so far.
  std::string Out() const;
  std::string Err() const;
  // Waits for a full line of standard output that begins with `prefix` and returns what follows it.
  // Throws with both outputs if the process ends or `limit` passes first.
  std::string AwaitLine(const std::string& prefix, std::chrono::milliseconds limit);

 private:
  void Reap();

  Launch launch_;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  std::optional<int> status_;
};

struct Finished {
  int exit_code = -1;  // 128 + N where signal N ended it
  std::string out;
  std::string err;
};

// Runs a program to its end.
Finished RunToEnd(Launch launch, std::chrono::milliseconds limit);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& content);

}  // namespace procctl::e2e
