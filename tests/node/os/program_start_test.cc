#include "node/os/program_start.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>

#include "node/os/descriptor_limit.h"
#include "node/os/proc_file.h"
#include "tests/node/os/program_fixture.h"

namespace procctl::node {
namespace {

class ProgramStartTest : public testing::Test {
 protected:
  // Runs it to its end and returns all it wrote to stdout.
  std::string Output(ProgramStart start) {
    start.stdout_fifo = out_.path();
    auto process = StartProgram(start);
    EXPECT_TRUE(process.ok()) << process.status();
    if (!process.ok()) return "";
    (void)AwaitEnd(*process);
    return out_.Drain();
  }

  std::string Failure(const ProgramStart& start) {
    const auto process = StartProgram(start);
    EXPECT_FALSE(process.ok());
    return std::string(process.status().message());
  }

  Scratch scratch_;
  Fifo out_{scratch_ / "out"};
};

TEST_F(ProgramStartTest, HeldUntilItIsLetGo) {
  ProgramStart start = Shell("echo ran");
  start.stdout_fifo = out_.path();
  auto held = HeldProgram::Start(start);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_FALSE(held->TakeOutcome().has_value());
  EXPECT_TRUE(held->process().Alive());
  held->Release();
  held->Release();
  ASSERT_TRUE(AwaitOutcome(&*held).ok());
  EXPECT_EQ(AwaitEnd(held->process()).si_status, 0);
  EXPECT_EQ(out_.Drain(), "ran\n");
  EXPECT_TRUE(held->TakeOutcome()->ok()) << "an outcome stays";
}

TEST_F(ProgramStartTest, NeverRunsIfItsGateCloses) {
  ProgramStart start = Shell("echo ran");
  start.stdout_fifo = out_.path();
  auto held = HeldProgram::Start(start);
  ASSERT_TRUE(held.ok()) << held.status();
  auto other = HeldProgram::Start(start);  // one that was begun later keeps no end of its gate
  ASSERT_TRUE(other.ok()) << other.status();
  ProcessRef process = held->TakeProcess();
  { const HeldProgram gone = *std::move(held); }
  EXPECT_EQ(AwaitEnd(process).si_status, 127);
  EXPECT_EQ(out_.Drain(), "");
  EXPECT_TRUE(other->process().Alive());
  other->Release();
  EXPECT_TRUE(AwaitOutcome(&*other).ok());
  (void)AwaitEnd(other->process());
}

TEST_F(ProgramStartTest, NeverRunsIfTheGuardianDies) {
  ProgramStart start = Shell("echo ran");
  start.stdout_fifo = out_.path();
  int pids[2];
  ASSERT_EQ(pipe2(pids, O_CLOEXEC), 0);
  const pid_t guardian = fork();
  if (guardian == 0) {
    auto held = HeldProgram::Start(start);
    const pid_t pid = held.ok() ? held->process().identity().pid : 0;
    (void)!write(pids[1], &pid, sizeof pid);
    for (;;) pause();
  }
  pid_t pid = 0;
  ASSERT_EQ(read(pids[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_GT(pid, 0);
  auto child = ProcessRef::Open(pid);
  ASSERT_TRUE(child.ok()) << child.status();
  kill(guardian, SIGKILL);
  waitpid(guardian, nullptr, 0);
  EXPECT_TRUE(Readable(child->pidfd()));
  EXPECT_EQ(out_.Drain(), "");
  close(pids[0]);
  close(pids[1]);
}

TEST_F(ProgramStartTest, OneThatIsKilledAtTheGateDidNotStart) {
  auto held = HeldProgram::Start(Shell("exit 0"));
  ASSERT_TRUE(held.ok()) << held.status();
  held->process().Signal(SIGKILL);
  EXPECT_EQ(AwaitOutcome(&*held).code(), absl::StatusCode::kAborted);
  held->Release();  // raises no SIGPIPE
  (void)AwaitEnd(held->process());
}

TEST_F(ProgramStartTest, InheritsNoDescriptor) {
  const UniqueFd stray(open("/dev/null", O_RDONLY));  // not close-on-exec
  // Asked one by one: a listing would show the descriptor it lists with.
  EXPECT_EQ(Output(Shell("i=0; while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; "
                         "i=$((i+1)); done")),
            "0 1 2 ");
}

TEST_F(ProgramStartTest, InheritsNoSignalState) {
  sigset_t set;
  sigset_t old;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, &old);
  const auto pipe_before = signal(SIGPIPE, SIG_IGN);
  const std::string masks = Output(Shell("grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '\\n'"));
  signal(SIGPIPE, pipe_before);
  sigprocmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(masks, "SigBlk:\t0000000000000000SigIgn:\t0000000000000000");
}

TEST_F(ProgramStartTest, HasTheEnvironmentThatItIsGivenAndNoMore) {
  setenv("PROCCTL_TEST_SECRET", "x", 1);
  ProgramStart start;
  start.argv = {"env"};
  start.env = {"PATH=/usr/bin:/bin", "A=b c"};
  EXPECT_EQ(Output(start), "PATH=/usr/bin:/bin\nA=b c\n");
  unsetenv("PROCCTL_TEST_SECRET");
}

TEST_F(ProgramStartTest, HasItsUmaskFolderAndOomScore) {
  const mode_t before = umask(0177);
  ProgramStart start = Shell("umask; pwd; cat /proc/$$/oom_score_adj");
  start.umask = 027;
  start.dir = "/usr/bin";
  start.oom_score_adj = 321;
  EXPECT_EQ(Output(start), "0027\n/usr/bin\n321\n");
  umask(before);
}

TEST_F(ProgramStartTest, IsNotSparedByTheKernelBecauseTheGuardianIs) {
  const std::string mine = ReadSmallFile("/proc/self/oom_score_adj").value_or("");
  std::ofstream("/proc/self/oom_score_adj") << "77";
  EXPECT_EQ(Output(Shell("cat /proc/$$/oom_score_adj")), "0\n");
  std::ofstream("/proc/self/oom_score_adj") << mine;
}

TEST_F(ProgramStartTest, LeadsASessionOfItsOwn) {
  ProgramStart start = Shell("cat /proc/$$/stat");
  const std::string text = Output(start);
  int pid = 0;
  char state = 0;
  int parent = 0;
  int group = 0;
  int session = 0;
  ASSERT_EQ(sscanf(text.c_str(), "%d (sh) %c %d %d %d", &pid, &state, &parent, &group, &session), 5)
      << text;
  EXPECT_EQ(parent, getpid());
  EXPECT_EQ(group, pid);
  EXPECT_EQ(session, pid);
}

TEST_F(ProgramStartTest, HasTheDescriptorLimitThatTheGuardianFound) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  RaiseDescriptorLimit();
  rlimit raised{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &raised), 0);
  EXPECT_EQ(raised.rlim_cur, before.rlim_max);
  EXPECT_EQ(Output(Shell("ulimit -Sn")), "100\n");

  ProgramStart start = Shell("ulimit -Sn; ulimit -Hn; ulimit -Sc");
  start.rlimits = {{RLIMIT_NOFILE, "nofile", 60, 70}, {RLIMIT_CORE, "core", 0, 0}};
  EXPECT_EQ(Output(start), "60\n70\n0\n");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(ProgramStartTest, HasItsNiceness) {
  ProgramStart start = Shell("nice");
  start.nice = 7;
  EXPECT_EQ(Output(start), "7\n");
}

TEST_F(ProgramStartTest, BecomesItsUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const ProgramUser user{"nobody", 65534, 65534, {65534, 12345}, "/", "/bin/sh"};
  ProgramStart start =
      Shell("grep -E '^(Uid|Gid|Groups|CapEff|CapAmb)' /proc/$$/status | tr -d '\\n'");
  start.user = &user;
  EXPECT_EQ(Output(start),
            "Uid:\t65534\t65534\t65534\t65534Gid:\t65534\t65534\t65534\t65534"
            "Groups:\t12345 65534 CapEff:\t0000000000000000CapAmb:\t0000000000000000");
}

TEST_F(ProgramStartTest, WritesOnWithoutAReader) {
  ProgramStart start = Shell("read line </dev/null; echo one; echo two >&2; echo end");
  start.stdout_fifo = scratch_ / "unread";
  ASSERT_EQ(mkfifo(start.stdout_fifo.c_str(), 0600), 0);
  start.stderr_fifo = start.stdout_fifo;
  auto process = StartProgram(start);
  ASSERT_TRUE(process.ok()) << process.status();
  const siginfo_t info = AwaitEnd(*process);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(info.si_status, 0);
}

TEST_F(ProgramStartTest, StandardErrorHasAPlaceOfItsOwn) {
  Fifo errors(scratch_ / "errors");
  ProgramStart start = Shell("echo out; echo err >&2");
  start.stderr_fifo = errors.path();
  EXPECT_EQ(Output(start), "out\n");
  EXPECT_EQ(errors.Drain(), "err\n");
}

TEST_F(ProgramStartTest, SaysWhatFailedAndOnWhat) {
  ProgramStart start = Shell("exit 0");
  start.dir = "/no/such/folder";
  EXPECT_EQ(Failure(start), "chdir /no/such/folder: No such file or directory");

  start = Shell("exit 0");
  start.stderr_fifo = scratch_ / "nowhere/fifo";
  EXPECT_EQ(Failure(start), "open " + start.stderr_fifo + ": No such file or directory");

  start = Shell("exit 0");
  start.cgroup_procs = "/no/cgroup.procs";
  EXPECT_EQ(Failure(start), "cgroup /no/cgroup.procs: No such file or directory");

  start = Shell("exit 0");
  start.rlimits = {{RLIMIT_CORE, "core", 2, 1}};
  EXPECT_EQ(Failure(start), "setrlimit core: Invalid argument");

  start = Shell("exit 0");
  start.argv = {"/no/such/program"};
  EXPECT_EQ(Failure(start), "exec /no/such/program: No such file or directory");
}

TEST_F(ProgramStartTest, SaysWhatToDoAboutAScriptWithoutInterpreter) {
  const std::string script = scratch_ / "script";
  std::ofstream(script) << "echo hello\n";
  chmod(script.c_str(), 0755);
  ProgramStart start;
  start.argv = {script};
  EXPECT_EQ(Failure(start),
            "exec " + script +
                ": Exec format error; a script must begin with #! and its interpreter, as in "
                "#!/bin/sh");
}

TEST_F(ProgramStartTest, AFolderOnlyRootMayEnterIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const ProgramUser user{"nobody", 65534, 65534, {65534}, "/", "/bin/sh"};
  ProgramStart start = Shell("exit 0");
  start.user = &user;
  start.dir = scratch_ / "private";
  ASSERT_EQ(mkdir(start.dir.c_str(), 0700), 0);
  EXPECT_EQ(Failure(start), "chdir " + start.dir + ": Permission denied");
}

TEST_F(ProgramStartTest, WithoutPrivilegesOnlyOnesOwnUser) {
  if (geteuid() != 0) GTEST_SKIP() << "tells by giving up root";
  const pid_t pid = fork();
  if (pid == 0) {
    if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
    const ProgramUser same{"nobody", 65534, 65534, {65534}, "/", "/bin/sh"};
    const ProgramUser other{"daemon", 1, 1, {1}, "/", "/bin/sh"};
    ProgramStart start = Shell("exit 0");
    start.user = &same;
    if (!StartProgram(start).ok()) _exit(1);
    start.user = &other;
    const auto refused = StartProgram(start);
    const auto text = std::string(refused.status().message());
    _exit(text.rfind("setgroups daemon: Operation not permitted; only root may", 0) == 0 ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST_F(ProgramStartTest, IsFoundWhereAShellFindsIt) {
  const std::string bin = scratch_ / "bin";
  mkdir(bin.c_str(), 0755);
  const std::string tool = bin + "/tool";
  std::ofstream(tool) << "#!/bin/sh\necho found\n";
  const std::string path = "/nowhere:" + bin + ":/bin";
  const auto not_executable = FindInPath("tool", path, "/");
  EXPECT_EQ(not_executable.status().message(), tool + " is not executable; run: chmod +x " + tool);
  chmod(tool.c_str(), 0755);
  EXPECT_EQ(FindInPath("tool", path, "/").value(), tool);
  EXPECT_EQ(FindInPath("tool", "/nowhere:bin", scratch_ / "").value(), scratch_ / "/bin/tool");
  EXPECT_EQ(FindInPath("tool", "/nowhere:", bin).value(), tool);
  EXPECT_EQ(FindInPath("no-such-tool", "/nowhere:/bin", "/").status().message(),
            "\"no-such-tool\" is in none of the folders of PATH (/nowhere:/bin); write its full "
            "path, or set PATH in env");
  EXPECT_FALSE(FindInPath("", "/bin", "/").ok());

  ProgramStart start;
  start.argv = {"tool"};
  start.env = {"PATH=" + path};
  EXPECT_EQ(Output(start), "found\n");
}

}  // namespace
}  // namespace procctl::node
