// The programs of tests/programs keep their promises: demo and node tests rest on them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace procctl::heartbeat {
namespace {

using std::chrono::milliseconds;

// A child process; killed and reaped with this object.
class Child {
 public:
  // Runs PROGRAM_DIR/arguments[0] and returns once it has printed a line.
  explicit Child(std::vector<std::string> arguments) {
    arguments[0] = std::string(PROGRAM_DIR "/") + arguments[0];
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(output[1], STDOUT_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(output[1]);
    for (char c; read(output[0], &c, 1) == 1 && c != '\n';) line_ += c;
    close(output[0]);
  }
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  const std::string& line() const { return line_; }
  void Signal(int signal) const { kill(pid_, signal); }
  pid_t pid() const { return pid_; }
  // Its exit status, or -signal.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  std::string line_;
};

bool Within(milliseconds limit, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

bool Moves(const procctl_page& page) {
  const uint64_t before = BeatsOf(page);
  return Within(milliseconds(5000), [&] { return BeatsOf(page) != before; });
}

// It rests for longer than many intervals of 1 ms.
bool Rests(const procctl_page& page) {
  const uint64_t before = BeatsOf(page);
  std::this_thread::sleep_for(milliseconds(100));
  return BeatsOf(page) == before;
}

TEST(Worker, EachThreadHasAHeartAndOnlyTheFirstHangsOnSIGUSR1) {
  FakeGuardian guardian;
  Child worker({"worker", "--name", "encoder", "--timeout-ms", "1000", "--threads", "3",
                "--interval-ms", "1"});
  ASSERT_EQ(worker.line(), "ready");
  ASSERT_EQ(guardian.slots(), 3U);
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(1).name), "encoder");
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(2).name), "encoder-2");
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(3).name), "encoder-3");
  for (size_t slot : {1, 2, 3}) EXPECT_TRUE(Moves(guardian.page(slot)));

  worker.Signal(SIGUSR1);
  EXPECT_TRUE(Within(milliseconds(5000), [&] { return Rests(guardian.page(1)); }));
  EXPECT_TRUE(Moves(guardian.page(2)));
  EXPECT_TRUE(Moves(guardian.page(3)));

  worker.Signal(SIGTERM);
  EXPECT_EQ(worker.Wait(), 0);
  for (size_t slot : {1, 2, 3}) EXPECT_EQ(guardian.page(slot).flags, PROCCTL_PAGE_CLOSED);
}

TEST(Worker, SaysWhyItIsUnguarded) {
  FakeGuardian guardian([](int connection, const procctl_register_request&) {
    const procctl_register_answer answer = RefusedAnswer(EDQUOT, "no slot left");
    SendAnswer(connection, &answer, sizeof(answer), {});
  });
  const Child worker({"worker", "--name", "encoder", "--timeout-ms", "1000"});
  EXPECT_EQ(worker.line(), "unguarded: no slot left");
}

TEST(Stubborn, IgnoresSIGTERMHangsOnSIGUSR1AndDiesOfSIGKILL) {
  FakeGuardian guardian;
  Child stubborn({"stubborn", "--name", "deaf", "--timeout-ms", "20"});
  ASSERT_EQ(stubborn.line(), "ready");
  stubborn.Signal(SIGTERM);
  EXPECT_TRUE(Moves(guardian.page(1)));
  stubborn.Signal(SIGUSR1);
  EXPECT_TRUE(Within(milliseconds(5000), [&] { return Rests(guardian.page(1)); }));
  stubborn.Signal(SIGTERM);
  stubborn.Signal(SIGKILL);
  EXPECT_EQ(stubborn.Wait(), -SIGKILL);
}

TEST(Stubborn, HangsByItselfAfterATime) {
  FakeGuardian guardian;
  const Child stubborn(
      {"stubborn", "--name", "deaf", "--timeout-ms", "20", "--hang-after-ms", "50"});
  ASSERT_EQ(stubborn.line(), "ready");
  EXPECT_TRUE(Within(milliseconds(5000), [&] { return Rests(guardian.page(1)); }));
}

// The table of the classic programs, with a key that belongs to this process.
class ClassicWorker : public testing::Test {
 protected:
  struct Row {
    int pid;
    char name[51];
    int timeout;
    time_t atime;
  };
  static constexpr int kRows = 4;

  void TearDown() override {
    if (table_ != nullptr) shmdt(table_);
    const int id = shmget(key_, 0, 0);
    if (id >= 0) shmctl(id, IPC_RMID, nullptr);
  }

  std::vector<std::string> Command(const std::string& name) const {
    return {"classic_worker", "--key", std::to_string(key_), "--slots", std::to_string(kRows),
            "--name",         name,    "--timeout",          "7"};
  }
  volatile Row* Attach() {
    void* table = shmat(shmget(key_, 0, 0), nullptr, 0);
    if (table == reinterpret_cast<void*>(-1)) return nullptr;
    table_ = static_cast<Row*>(table);
    return table_;
  }

  const key_t key_ = 0x70000000 + getpid();
  Row* table_ = nullptr;
};

TEST_F(ClassicWorker, TakesAFreeRowBeatsInItAndLeavesItBehindOnSIGTERM) {
  const Child first(Command("first"));
  Child second(Command("second"));
  ASSERT_EQ(first.line(), "ready");
  ASSERT_EQ(second.line(), "ready");
  volatile Row* table = Attach();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table[0].pid, first.pid());
  EXPECT_EQ(table[1].pid, second.pid());
  EXPECT_STREQ(table_[1].name, "second");
  EXPECT_EQ(table[1].timeout, 7);
  table[1].atime = 0;
  EXPECT_TRUE(Within(milliseconds(5000), [&] { return table[1].atime != 0; }));
  second.Signal(SIGTERM);
  const pid_t pid = second.pid();
  EXPECT_EQ(second.Wait(), -SIGTERM);
  EXPECT_EQ(table[1].pid, pid);
}

TEST_F(ClassicWorker, StopsBeatingOnSIGUSR1AndClearsItsRowAtACleanExit) {
  Child worker(Command("only"));
  ASSERT_EQ(worker.line(), "ready");
  volatile Row* table = Attach();
  ASSERT_NE(table, nullptr);
  worker.Signal(SIGUSR1);
  // A beat that was under way when the signal came may still land.
  EXPECT_TRUE(Within(milliseconds(5000), [&] {
    table[0].atime = 0;
    std::this_thread::sleep_for(milliseconds(1200));
    return table[0].atime == 0;
  }));
  worker.Signal(SIGINT);
  EXPECT_EQ(worker.Wait(), 0);
  EXPECT_EQ(table[0].pid, 0);
}

}  // namespace
}  // namespace procctl::heartbeat
