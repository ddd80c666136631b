// A process that is not our child: its parent is another child of the test's, which reaps it when
// it is told to and not before.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/os/process_ref.h"

namespace procctl::node {

class Foreigner {
 public:
  // `run` is what it does once it is told to end; it must not return.
  explicit Foreigner(void (*run)()) {
    int told[2];
    int reap[2];
    int pids[2];
    EXPECT_EQ(pipe2(told, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(reap, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(pids, O_CLOEXEC), 0);
    parent_ = fork();
    if (parent_ == 0) {
      close(told[1]);
      close(reap[1]);
      BeParent(run, told[0], reap[0], pids[1]);
    }
    for (const int fd : {told[0], reap[0], pids[1]}) close(fd);
    end_ = UniqueFd(told[1]);
    reap_ = UniqueFd(reap[1]);
    const UniqueFd from(pids[0]);
    EXPECT_EQ(read(from.get(), &pid_, sizeof pid_), static_cast<ssize_t>(sizeof pid_));
  }
  ~Foreigner() {
    End();
    Reap();
  }
  Foreigner(const Foreigner&) = delete;
  Foreigner& operator=(const Foreigner&) = delete;

  pid_t pid() const { return pid_; }
  void End() { end_.reset(); }
  void Reap() {
    reap_.reset();
    if (parent_ > 0) (void)waitpid(parent_, nullptr, 0);
    parent_ = -1;
  }

 private:
  // The one in the middle goes at once, as a guardian that was killed does.
  [[noreturn]] static void BeParent(void (*run)(), int told, int reap, int pids) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t middle = fork();
    if (middle == 0) {
      const pid_t pid = fork();
      if (pid == 0) {
        close(reap);
        AwaitClose(told);
        run();
      }
      (void)!write(pids, &pid, sizeof pid);
      _exit(0);
    }
    (void)waitpid(middle, nullptr, 0);
    AwaitClose(reap);
    (void)waitpid(-1, nullptr, 0);
    _exit(0);
  }

  static void AwaitClose(int fd) {
    char byte = 0;
    while (read(fd, &byte, 1) < 0) {
    }
  }

  pid_t parent_ = -1;
  pid_t pid_ = 0;
  UniqueFd end_;
  UniqueFd reap_;
};

}  // namespace procctl::node
