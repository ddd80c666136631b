// The Python binding (node/heartbeat/python/procctl.py) against a fake guardian.
#include <dlfcn.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace procctl::heartbeat {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Runs what comes on its stdin line by line; prints "= " and what the line printed as one line,
// or "! " and the exception.
constexpr char kDriver[] = R"(
import contextlib, io, sys
names = {}
for line in iter(sys.stdin.readline, ''):
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(line, names)
        answer = '= ' + said.getvalue().strip().replace('\n', ' ')
    except Exception as error:
        answer = '! ' + type(error).__name__ + ': ' + str(error)
    print(answer, flush=True)
)";

bool HasPython() {
  static const bool has = std::system("python3 -c 'import ctypes' > /dev/null 2>&1") == 0;
  return has;
}

// A Python with the module; killed and reaped with this object.
class Python {
 public:
  explicit Python(const std::string& library = HEARTBEAT_LIBRARY) {
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) std::abort();
    setenv("PYTHONPATH", PYTHON_MODULE_DIR, 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    setenv("PROCCTL_HEARTBEAT_LIBRARY", library.c_str(), 1);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      execlp("python3", "python3", "-c", kDriver, nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = fdopen(from[0], "r");
  }
  ~Python() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    if (to_ >= 0) close(to_);
    std::fclose(from_);
  }
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;

  // What the statement printed, or "! " and the exception.
  std::string Do(const std::string& statement) {
    const std::string line = statement + "\n";
    if (write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return "! write";
    std::string answer;
    for (int c; (c = std::fgetc(from_)) != EOF && c != '\n';) answer += static_cast<char>(c);
    return answer.rfind("= ", 0) == 0 ? answer.substr(2) : answer;
  }
  // Ends it as a program ends; its exit status, or -signal.
  int End() {
    close(to_);
    to_ = -1;
    siginfo_t ended = {};
    waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT);
    return ended.si_code == CLD_EXITED ? ended.si_status : -ended.si_status;
  }

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  FILE* from_ = nullptr;
};

bool Within(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class PythonHeart : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasPython()) GTEST_SKIP() << "no python3 with ctypes here: deploy/install-deps.sh";
  }
  // Calls that a library may be too old for.
  static bool Knows(const char* symbol) {
    void* library = dlopen(HEARTBEAT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const bool known = library != nullptr && dlsym(library, symbol) != nullptr;
    if (library != nullptr) dlclose(library);
    if (!known) std::printf("not tested: the library has no %s yet\n", symbol);
    return known;
  }
};

TEST_F(PythonHeart, RegistersBeatsAndGivesTheSlotBack) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import procctl"), "");
  EXPECT_EQ(python.Do("heart = procctl.Heart('importer', timeout=2.5)"), "");
  ASSERT_EQ(guardian.slots(), 1U);
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(1).name), "importer");
  EXPECT_EQ(guardian.request(1).timeout_ms, 2500U);
  EXPECT_EQ(python.Do("print(heart.guarded, heart.error)"), "True None");

  const procctl_page& page = guardian.page(1);
  const uint64_t opened = BeatsOf(page);
  EXPECT_EQ(python.Do("heart.beat(); heart.beat()"), "");
  EXPECT_EQ(BeatsOf(page), opened + 2);
  EXPECT_EQ(python.Do("heart.progress(41); heart.progress()"), "");
  EXPECT_EQ(BeatsOf(page), opened + 4);
  EXPECT_EQ(page.progress, 42U);
  EXPECT_EQ(page.flags, 0U);

  EXPECT_EQ(python.Do("heart.close(); heart.close(); heart.beat(); print(heart.guarded)"), "False");
  EXPECT_EQ(page.flags, PROCCTL_PAGE_CLOSED);
  EXPECT_EQ(BeatsOf(page), opened + 4);
  EXPECT_EQ(python.End(), 0);
}

TEST_F(PythonHeart, ClosesWithItsBlockWhenDroppedAndAtExit) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import procctl"), "");
  EXPECT_EQ(
      python.Do("with procctl.Heart('block', 5) as heart: heart.beat(); print(heart.guarded)"),
      "True");
  EXPECT_EQ(guardian.page(1).flags, PROCCTL_PAGE_CLOSED);
  EXPECT_EQ(python.Do("procctl.Heart('dropped', 5)"), "");
  EXPECT_EQ(guardian.page(2).flags, PROCCTL_PAGE_CLOSED);
  EXPECT_EQ(python.Do("kept = procctl.Heart('kept', 5)"), "");
  EXPECT_EQ(guardian.page(3).flags, 0U);
  EXPECT_EQ(python.End(), 0);
  EXPECT_EQ(guardian.page(3).flags, PROCCTL_PAGE_CLOSED);
}

TEST_F(PythonHeart, NotesArePassedOnWhateverIsInThem) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import procctl; heart = procctl.Heart('noter', 5)"), "");
  const procctl_page& page = guardian.page(1);
  EXPECT_EQ(python.Do("heart.note('row 7 of caf\\u00e9')"), "");
  EXPECT_STREQ(page.note, "row 7 of caf\xc3\xa9");
  EXPECT_EQ(python.Do("heart.note('x' * 500)"), "");
  EXPECT_EQ(std::string(page.note), std::string(127, 'x'));
  EXPECT_EQ(python.Do("heart.note('bad \\udcff name')"), "");
  EXPECT_STREQ(page.note, "bad ? name");
  EXPECT_EQ(python.Do("heart.note(None)"), "");
  EXPECT_STREQ(page.note, "");
}

TEST_F(PythonHeart, ReadyBusyPhaseAndFailed) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import procctl; heart = procctl.Heart('rich', 5)"), "");
  const procctl_page& page = guardian.page(1);
  EXPECT_EQ(python.Do("heart.ready()"), "");
  if (Knows("procctl_ready")) {
    EXPECT_EQ(page.flags, PROCCTL_PAGE_READY);
  }
  EXPECT_EQ(python.Do("work = heart.busy(60); work.__enter__()"), "");
  if (Knows("procctl_busy")) {
    EXPECT_EQ(page.flags, PROCCTL_PAGE_READY | PROCCTL_PAGE_BUSY);
    EXPECT_EQ(page.busy_ms, 60'000U);
    EXPECT_EQ(page.busy_count, 1U);
  }
  EXPECT_EQ(python.Do("work.__exit__(None, None, None)"), "");
  if (Knows("procctl_busy_done")) {
    EXPECT_EQ(page.flags & PROCCTL_PAGE_BUSY, 0U);
  }
  EXPECT_THAT(python.Do("with heart.busy(60): raise KeyError('lost')"), HasSubstr("KeyError"));
  EXPECT_EQ(page.flags & PROCCTL_PAGE_BUSY, 0U);
  EXPECT_EQ(python.Do("heart.phase('indexing')"), "");
  if (Knows("procctl_phase")) {
    EXPECT_STREQ(page.phase, "indexing");
  }
  EXPECT_EQ(python.Do("heart.failed('database is gone')"), "");
  if (Knows("procctl_failed")) {
    EXPECT_NE(page.flags & PROCCTL_PAGE_FAILED, 0U);
    EXPECT_STREQ(page.note, "database is gone");
  }
}

TEST_F(PythonHeart, RefusesArgumentsThatMakeNoSense) {
  Python python("");
  EXPECT_EQ(python.Do("import procctl, datetime"), "");
  for (const char* arguments :
       {"'', 5", "'n' * 64, 5", "'a\\0b', 5", "'a', 0", "'a', -1", "'a', None", "'a', float('nan')",
        "'a', float('inf')", "'a', 4294968", "'a', 5, progress_timeout=0",
        "'a', 5, start_grace=-1"}) {
    EXPECT_THAT(python.Do(std::string("procctl.Heart(") + arguments + ")"),
                StartsWith("! ValueError: "))
        << arguments;
  }
  EXPECT_EQ(python.Do("procctl.Heart('n' * 63, datetime.timedelta(seconds=5), 1, 0.001)"), "");
  EXPECT_THAT(python.Do("procctl.Heart('a', 5).busy(0)"), StartsWith("! ValueError: "));
}

TEST_F(PythonHeart, WithoutTheLibraryEveryCallDoesNothing) {
  const FakeGuardian guardian;
  for (const char* library : {"", "/nowhere/libprocctl_heartbeat.so.1", "/etc/passwd"}) {
    Python python(library);
    EXPECT_EQ(python.Do("import procctl"), "");
    EXPECT_EQ(python.Do("with procctl.Heart('a', 5) as heart: "
                        "heart.beat(); heart.progress(3); heart.ready(); heart.note('n'); "
                        "heart.phase('p'); heart.busy(1).__enter__(); heart.failed('f'); "
                        "print(heart.guarded, heart.error)"),
              "False libprocctl_heartbeat.so.1 is not installed here");
    EXPECT_EQ(python.Do("heart.beat(); heart.close(); print(heart.guarded)"), "False");
    EXPECT_EQ(python.End(), 0);
  }
  EXPECT_EQ(guardian.slots(), 0U);
}

TEST_F(PythonHeart, WithoutAGuardianItSaysWhyAndBeatsOn) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "/nowhere/heartbeat.sock", 1);
  Python python;
  EXPECT_EQ(python.Do("import procctl; heart = procctl.Heart('a', 5)"), "");
  EXPECT_EQ(python.Do("print(heart.guarded, heart.error)"), "False No such file or directory");
  EXPECT_EQ(python.Do("heart.beat(); heart.progress(); heart.note('n'); heart.close()"), "");
  EXPECT_EQ(python.End(), 0);
  unsetenv("PROCCTL_HEARTBEAT_SOCKET");
}

TEST_F(PythonHeart, ARefusalIsQuoted) {
  const FakeGuardian guardian([](int connection, const procctl_register_request&) {
    const procctl_register_answer answer = RefusedAnswer(EDQUOT, "no slot left");
    SendAnswer(connection, &answer, sizeof(answer), {});
  });
  Python python;
  EXPECT_EQ(python.Do("import procctl; heart = procctl.Heart('a', 5)"), "");
  EXPECT_EQ(python.Do("print(heart.guarded, heart.error)"),
            "False Disk quota exceeded: no slot left");
}

TEST_F(PythonHeart, AGuardianThatComesLaterIsFoundByBeating) {
  if (!Knows("procctl_tend")) GTEST_SKIP() << "this library does not tend hearts";
  const std::string path =
      std::filesystem::temp_directory_path() / ("procctl-python-" + std::to_string(getpid()));
  setenv("PROCCTL_HEARTBEAT_SOCKET", path.c_str(), 1);
  Python python;
  EXPECT_EQ(python.Do("import procctl; heart = procctl.Heart('late', 5)"), "");
  EXPECT_EQ(python.Do("print(heart.guarded)"), "False");
  const FakeGuardian guardian;
  std::filesystem::create_symlink(guardian.socket_path(), path);
  EXPECT_TRUE(Within([&] { return python.Do("heart.beat(); print(heart.guarded)") == "True"; }));
  EXPECT_EQ(guardian.slots(), 1U);
  const uint64_t before = BeatsOf(guardian.page(1));
  EXPECT_EQ(python.Do("heart.beat()"), "");
  EXPECT_NE(BeatsOf(guardian.page(1)), before);
  std::filesystem::remove(path);
}

TEST_F(PythonHeart, AForkedChildBeatsForNobody) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import os, procctl; heart = procctl.Heart('parent', 5)"), "");
  const uint64_t before = BeatsOf(guardian.page(1));
  // Its exit code says what it saw; os._exit, so that the driver is not run twice.
  EXPECT_EQ(python.Do("pid = os.fork(); [heart.beat(), heart.note('child'), heart.close(), "
                      "heart.beat(), os._exit(40 + heart.guarded)] if pid == 0 else "
                      "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"),
            "40");
  EXPECT_EQ(BeatsOf(guardian.page(1)), before);
  EXPECT_STREQ(guardian.page(1).note, "");
  EXPECT_EQ(guardian.page(1).flags, 0U);
  EXPECT_EQ(python.Do("heart.beat(); print(heart.guarded)"), "True");
  EXPECT_EQ(BeatsOf(guardian.page(1)), before + 1);
}

TEST_F(PythonHeart, AForkDuringAnotherThreadsBeatLocksNobodyOut) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import os, procctl, threading; heart = procctl.Heart('parent', 5)"), "");
  EXPECT_EQ(python.Do("taken, done = threading.Event(), threading.Event()"), "");
  EXPECT_EQ(python.Do("hold = lambda: [heart._lock.acquire(), taken.set(), done.wait(), "
                      "heart._lock.release()]"),
            "");
  EXPECT_EQ(python.Do("thread = threading.Thread(target=hold); thread.start(); taken.wait()"), "");
  EXPECT_EQ(python.Do("pid = os.fork(); [heart.beat(), os._exit(7)] if pid == 0 else "
                      "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"),
            "7");
  EXPECT_EQ(python.Do("done.set(); thread.join()"), "");
}

TEST_F(PythonHeart, ClosingUnderTheBeatsOfOtherThreadsIsSafe) {
  const FakeGuardian guardian;
  Python python;
  EXPECT_EQ(python.Do("import procctl, sys, threading; sys.setswitchinterval(1e-6)"), "");
  EXPECT_EQ(python.Do("stop = threading.Event(); box = [procctl.Heart('shared', 5)]"), "");
  EXPECT_EQ(python.Do("spin = lambda: [box[0].progress() for _ in iter(stop.is_set, True)]"), "");
  EXPECT_EQ(python.Do("threads = [threading.Thread(target=spin) for _ in range(3)]"), "");
  EXPECT_EQ(python.Do("[thread.start() for thread in threads]"), "");
  EXPECT_EQ(python.Do("[(box[0].close(), box.__setitem__(0, procctl.Heart('shared', 5))) "
                      "for _ in range(50)]"),
            "");
  EXPECT_EQ(python.Do("stop.set(); [thread.join() for thread in threads]"), "");
  EXPECT_EQ(guardian.slots(), 51U);
  EXPECT_EQ(python.End(), 0);
}

}  // namespace
}  // namespace procctl::heartbeat
