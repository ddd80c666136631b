#include "node/os/evidence_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "node/os/clock.h"
#include "node/os/evidence_bound.h"
#include "node/os/proc_file.h"
#include "node/os/unique_fd.h"

namespace procctl::node {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Far more than any machine needs.
constexpr seconds kPatience(60);

MonoTime Later() { return MonoNow() + kPatience; }

ProcessIdentity Identity(int32_t pid) {
  const auto stat = ReadStat(pid);
  return {pid, stat ? stat->start_ticks : -1};
}

// For what the kernel announces to nobody: the state of a thread.
bool Eventually(const std::function<bool()>& condition) {
  for (const MonoTime end = Later(); MonoNow() < end;) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return condition();
}

// A child that runs `body` and is killed at the end of the test.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    body();
    for (;;) pause();
  }
  ~Child() { Reap(); }
  pid_t pid() const { return pid_; }
  void Reap() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

TEST(ReadEvidence, NamesTheWaitOfADeadlockedThread) {
  Child child([] {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    pthread_mutex_lock(&mutex);
  });
  const ProcessIdentity process = Identity(child.pid());
  v1::Evidence evidence;
  const auto refused = [&](const std::string& file) {
    for (const std::string& line : evidence.missing())
      if (line.find("/" + file) != std::string::npos) return true;
    return false;
  };
  const auto waits = [&] {
    evidence = ReadEvidence(process, Later());
    if (evidence.threads().empty()) return false;
    if (refused("syscall")) return evidence.state() == "S";
    return evidence.threads(0).syscall() == "futex" && evidence.threads(0).state() == "S";
  };
  ASSERT_TRUE(Eventually(waits)) << evidence.DebugString();
  const v1::Thread& leader = evidence.threads(0);
  EXPECT_EQ(leader.tid(), child.pid());
  EXPECT_FALSE(evidence.timed_out());
  if (refused("syscall")) std::cout << "no system calls: /proc/PID/syscall is not readable here\n";
  if (leader.wchan().empty()) {
    std::cout << "no wait channel: the kernel does not say it here\n";
  } else {
    EXPECT_THAT(leader.wchan(), HasSubstr("futex"));
  }
  if (refused("stack")) {
    std::cout << "no kernel stack: " << evidence.missing(0) << "\n";
  } else {
    EXPECT_THAT(leader.stack(), Contains(HasSubstr("futex")));
    EXPECT_LE(leader.stack_size(), kMostStackFrames);
  }
  std::cout << evidence.DebugString();
}

TEST(ReadEvidence, CountsWhatThisProcessUses) {
  const ProcessIdentity self = Identity(getpid());
  const v1::Evidence before = ReadEvidence(self, Later());
  std::vector<UniqueFd> more;
  for (int i = 0; i < 20; ++i) more.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const v1::Evidence after = ReadEvidence(self, Later());
  EXPECT_EQ(after.open_fds(), before.open_fds() + 20);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(after.fd_limit(),
            limit.rlim_cur == RLIM_INFINITY ? -1 : static_cast<int64_t>(limit.rlim_cur));
  EXPECT_GT(after.resident(), 0);
  EXPECT_GT(after.memory_available(), 0);
  EXPECT_FALSE(after.timed_out());
  EXPECT_EQ(after.comm(), ReadStat(getpid())->comm);
}

TEST(ReadEvidence, CpuTimeIsThatOfTheWork) {
  timespec used{};
  do {
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  } while (used.tv_sec == 0 && used.tv_nsec < 100'000'000);
  const v1::Evidence evidence = ReadEvidence(Identity(getpid()), Later());
  const auto nanos = [](const google::protobuf::Duration& d) {
    return d.seconds() * 1'000'000'000 + d.nanos();
  };
  // Exact to the clock tick of accounting.
  EXPECT_GE(nanos(evidence.cpu_user()) + nanos(evidence.cpu_system()), 50'000'000);
}

TEST(ReadEvidence, TheLeaderAndThreadsInStateDComeFirstOfMany) {
  absl::Notification end;
  std::vector<std::thread> threads;
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&end] {
      pthread_setname_np(pthread_self(), "x) D 1 (");
      end.WaitForNotification();
    });
  }
  int release[2];
  ASSERT_EQ(pipe2(release, O_CLOEXEC), 0);
  std::atomic<int32_t> stuck{0};
  threads.emplace_back([&] {
    stuck = static_cast<int32_t>(syscall(SYS_gettid));
    // Whoever waits for its vfork child is uninterruptible until that child ends.
    const long child = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      char byte = 0;
      (void)!read(release[0], &byte, 1);
      _exit(0);
    }
    waitpid(static_cast<pid_t>(child), nullptr, 0);
  });
  v1::Evidence evidence;
  const bool seen = Eventually([&] {
    evidence = ReadEvidence(Identity(getpid()), Later());
    // Any thread may be in state D for a moment, waiting for a lock of the kernel.
    return evidence.threads_size() == kMostEvidenceThreads && evidence.threads(1).state() == "D" &&
           evidence.threads(1).tid() == stuck && evidence.threads(2).state() != "D" &&
           evidence.threads(kMostEvidenceThreads - 1).comm() == "x) D 1 (";
  });
  const auto tasks = std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  ASSERT_EQ(write(release[1], "x", 1), 1);
  end.Notify();
  for (std::thread& thread : threads) thread.join();
  close(release[0]);
  close(release[1]);

  ASSERT_TRUE(seen) << evidence.DebugString();
  EXPECT_EQ(evidence.threads_size(), kMostEvidenceThreads);
  EXPECT_EQ(evidence.threads_left_out(), tasks - kMostEvidenceThreads);
  EXPECT_EQ(evidence.threads(0).tid(), getpid());
  std::set<int32_t> tids;
  for (const v1::Thread& thread : evidence.threads()) tids.insert(thread.tid());
  EXPECT_EQ(tids.size(), static_cast<size_t>(kMostEvidenceThreads));
}

TEST(ReadEvidence, NamesAreEscaped) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  Child child([&ready] {
    pthread_setname_np(pthread_self(), "a\x1b[2J\xff\n");
    (void)!write(ready[1], "x", 1);
  });
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  const v1::Evidence evidence = ReadEvidence(Identity(child.pid()), Later());
  EXPECT_EQ(evidence.comm(), "a\\x1b[2J\\xff\\x0a");
  ASSERT_FALSE(evidence.threads().empty());
  EXPECT_EQ(evidence.threads(0).comm(), evidence.comm());
}

TEST(ReadEvidence, SaysThatTheProcessHasEnded) {
  Child child([] {});
  const ProcessIdentity process = Identity(child.pid());
  child.Reap();
  const v1::Evidence evidence = ReadEvidence(process, Later());
  EXPECT_THAT(evidence.missing(), ElementsAre("process: it has ended"));
}

TEST(ReadEvidence, WhoeverElseHasThePidIsNotRead) {
  ProcessIdentity process = Identity(getpid());
  ++process.start_ticks;
  bool published = false;
  const v1::Evidence evidence =
      ReadEvidence(process, Later(), [&](const v1::Evidence&) { published = true; });
  EXPECT_THAT(evidence.missing(), ElementsAre("process: it has ended"));
  EXPECT_TRUE(evidence.comm().empty());
  EXPECT_FALSE(published);
}

TEST(ReadEvidence, AProcessThatEndsInTheMiddleLeavesNothing) {
  Child child([] {});
  const v1::Evidence evidence =
      ReadEvidence(Identity(child.pid()), Later(), [&](const v1::Evidence&) { child.Reap(); });
  EXPECT_THAT(evidence.missing(), ElementsAre("process: it has ended"));
  EXPECT_TRUE(evidence.comm().empty());
  EXPECT_THAT(evidence.threads(), IsEmpty());
}

TEST(ReadEvidence, AZombieIsStillTheProcess) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  const v1::Evidence evidence = ReadEvidence(Identity(pid), Later());
  EXPECT_EQ(evidence.state(), "Z");
  EXPECT_THAT(evidence.missing(), Contains("memory: the process has none"));
  EXPECT_THAT(evidence.missing(), Contains("open_fds: the process has none"));
  waitpid(pid, nullptr, 0);
}

TEST(ReadEvidence, WhereTheMainThreadHasEndedTheOthersShowWhatTheProcessHas) {
  Child child([] {
    pthread_t other;
    pthread_create(
        &other, nullptr,
        [](void*) -> void* {
          for (;;) pause();
        },
        nullptr);
    // As the kernel sees pthread_exit, without its unwinding through the test.
    syscall(SYS_exit, 0);
  });
  v1::Evidence evidence;
  ASSERT_TRUE(Eventually([&] {
    evidence = ReadEvidence(Identity(child.pid()), Later());
    return evidence.state() == "Z";
  }));
  EXPECT_GT(evidence.resident(), 0);
  EXPECT_GT(evidence.open_fds(), 0);
  ASSERT_GE(evidence.threads_size(), 2);
  EXPECT_EQ(evidence.threads(0).state(), "Z");
  EXPECT_NE(evidence.threads(1).state(), "Z");
}

TEST(ReadEvidence, PastTheDeadlineItSaysWhatWasNotRead) {
  const v1::Evidence evidence = ReadEvidence(Identity(getpid()), MonoNow() - seconds(1));
  EXPECT_TRUE(evidence.timed_out());
  EXPECT_FALSE(evidence.state().empty());
  EXPECT_THAT(evidence.threads(), IsEmpty());
  for (const char* what : {"threads", "status", "cgroup", "open_fds", "fd_limit", "cpu_pressure",
                           "memory_pressure", "io_pressure", "load_1m", "memory_available"}) {
    EXPECT_THAT(evidence.missing(), Contains(std::string(what) + ": no time left"));
  }
}

TEST(ReadEvidence, EachPartPublishedHoldsTheOneBefore) {
  std::vector<v1::Evidence> parts;
  const v1::Evidence whole = ReadEvidence(
      Identity(getpid()), Later(), [&](const v1::Evidence& so_far) { parts.push_back(so_far); });
  ASSERT_GE(parts.size(), 3u);
  EXPECT_FALSE(parts[0].state().empty());
  EXPECT_THAT(parts[0].threads(), IsEmpty());
  EXPECT_EQ(parts[1].threads_size(), 1);
  EXPECT_EQ(parts[1].threads(0).tid(), getpid());
  EXPECT_EQ(parts.back().open_fds(), whole.open_fds());
  EXPECT_LE(whole.ByteSizeLong(), kMostEvidenceBytes);
}

}  // namespace
}  // namespace procctl::node
