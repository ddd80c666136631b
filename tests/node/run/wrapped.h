// procctl-run in the hand of a test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "procctl/heartbeat.h"
#include "proto/support/unique_fd.h"

namespace procctl::run {

// Long, because the machine may be slow; only a failing test waits for it.
inline constexpr std::chrono::seconds kPatience{30};

bool Within(std::chrono::milliseconds limit, const std::function<bool()>& condition);

// A folder that goes with this object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void Touch(const std::string& path);
bool Exists(const std::string& path);
std::string ReadAll(const std::string& path);

// A process of ours by its pidfd; SIGKILLed with this object, should it live.
class Watched {
 public:
  explicit Watched(pid_t pid);
  ~Watched();
  Watched(Watched&&) = default;
  bool HasEnded() const;
  void Signal(int signal) const;

 private:
  UniqueFd pidfd_;
};

const char* ProcctlRunPath();

// Runs procctl-run with `arguments`; stdout and stderr go to files. Killed and reaped with this
// object.
class Wrapped {
 public:
  explicit Wrapped(std::vector<std::string> arguments);
  // The same with this as its stdout.
  Wrapped(std::vector<std::string> arguments, int stdout_fd);
  // Kills it. With the last of them goes all that any left behind.
  ~Wrapped();
  Wrapped(const Wrapped&) = delete;
  Wrapped& operator=(const Wrapped&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  std::string out() const { return ReadAll(folder_ / "out"); }
  std::string err() const { return ReadAll(folder_ / "err"); }
  // Whether `text` is printed in time.
  bool Prints(const std::string& text) const;
  // The number printed after `word` and a blank; waits for its line. -1 if it never came.
  pid_t PidAfter(const std::string& word) const;
  // Its exit code, -signal, or -1000 if it does not end.
  int Wait();

 private:
  Folder folder_;
  pid_t pid_ = -1;
};

// Of a page that its process may write to meanwhile.
std::string NoteOf(const procctl_page& page);
// Whether it is beaten on in time.
bool Moves(const procctl_page& page);
// Whether nobody beats on it for 300 ms.
bool Rests(const procctl_page& page);

}  // namespace procctl::run
