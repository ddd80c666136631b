// When procctl-run beats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "tests/node/heartbeat/fake_guardian.h"
#include "tests/node/run/wrapped.h"

namespace procctl::run {
namespace {

using heartbeat::BeatsOf;
using heartbeat::FakeGuardian;
using testing::HasSubstr;

constexpr char kForever[] = "echo pid $$; while :; do sleep 0.02; done";

// A check that notes each of its runs, and answers `script`.
class CountedCheck {
 public:
  explicit CountedCheck(const std::string& script)
      : command_("echo run >> " + folder_ / "runs" + "\n" + script) {}
  const std::string& command() const { return command_; }
  // Waits for `more` further runs.
  bool Runs(ssize_t more) const {
    const ssize_t before = Count();
    return Within(kPatience, [&] { return Count() >= before + more; });
  }

 private:
  ssize_t Count() const {
    const std::string runs = ReadAll(folder_ / "runs");
    return std::count(runs.begin(), runs.end(), '\n');
  }
  Folder folder_;
  std::string command_;
};

bool IsGuarded(const FakeGuardian& guardian) {
  return Within(kPatience, [&] { return guardian.slots() == 1; });
}

TEST(Guarded, RegistersItselfBeatsAndGivesTheSlotBack) {
  const FakeGuardian guardian;
  Wrapped run({"--name", "shop", "--timeout", "400ms", "--", "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(1).name), "shop");
  EXPECT_EQ(guardian.request(1).timeout_ms, 400U);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Moves(guardian.page(1)));
  ASSERT_GT(run.PidAfter("pid"), 0);
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 128 + SIGTERM);
  EXPECT_NE(guardian.page(1).flags & PROCCTL_PAGE_CLOSED, 0U);
  EXPECT_EQ(run.err(), "");
}

TEST(Guarded, AStoppedProgramIsNotWell) {
  const FakeGuardian guardian;
  const Wrapped run({"--name", "shop", "--timeout", "400ms", "--", "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  const Watched program(run.PidAfter("pid"));
  program.Signal(SIGSTOP);
  EXPECT_TRUE(
      Within(kPatience, [&] { return NoteOf(guardian.page(1)) == "the program is stopped"; }));
  EXPECT_TRUE(Rests(guardian.page(1)));
  program.Signal(SIGCONT);
  EXPECT_TRUE(Moves(guardian.page(1)));
  EXPECT_TRUE(Within(kPatience, [&] { return NoteOf(guardian.page(1)).empty(); }));
}

TEST(Check, BeatsWhileItPassesAndSaysWhyNot) {
  const FakeGuardian guardian;
  const Folder folder;
  const CountedCheck check("test ! -e " + folder / "ill" +
                           " || { echo no answer; echo x; exit 3; }");
  const Wrapped run({"--name", "shop", "--timeout", "20s", "--check-every", "20ms", "--check",
                     check.command(), "--", "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Moves(guardian.page(1)));

  Touch(folder / "ill");
  ASSERT_TRUE(Within(kPatience, [&] { return !NoteOf(guardian.page(1)).empty(); }));
  const uint64_t beats = BeatsOf(guardian.page(1));
  EXPECT_TRUE(check.Runs(3));
  EXPECT_EQ(BeatsOf(guardian.page(1)), beats);
  EXPECT_EQ(NoteOf(guardian.page(1)), "check exited 3: no answer");

  std::filesystem::remove(folder / "ill");
  EXPECT_TRUE(Moves(guardian.page(1)));
  EXPECT_TRUE(Within(kPatience, [&] { return NoteOf(guardian.page(1)).empty(); }));
}

TEST(Check, ThatHangsIsKilledWithAllItStarted) {
  const FakeGuardian guardian;
  const Folder folder;
  const Wrapped run({"--name", "shop", "--timeout", "500ms", "--check",
                     "sh -c 'echo $$ > " + folder / "pid" + "; sleep 1000' & sleep 1000", "--",
                     "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  const auto pid_written = [&] { return ReadAll(folder / "pid").ends_with('\n'); };
  ASSERT_TRUE(Within(kPatience, pid_written));
  const Watched started(std::atoi(ReadAll(folder / "pid").c_str()));
  EXPECT_TRUE(Within(kPatience, [&] {
    return NoteOf(guardian.page(1)) == "check took longer than 500ms";
  })) << NoteOf(guardian.page(1));
  EXPECT_TRUE(Within(kPatience, [&] { return started.HasEnded(); }));
  EXPECT_EQ(BeatsOf(guardian.page(1)), 1U);  // the one of registering
}

TEST(Check, LeavesNothingBehind) {
  const FakeGuardian guardian;
  const Folder folder;
  const Wrapped run({"--name", "shop", "--timeout", "20s", "--check-every", "20ms", "--check",
                     "sleep 1000 & echo $! > " + folder / "pid", "--", "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Moves(guardian.page(1)));
  // Each check writes anew, so it may be empty for a moment.
  int pid = 0;
  ASSERT_TRUE(Within(kPatience, [&] {
    const std::string text = ReadAll(folder / "pid");
    if (text.ends_with('\n')) pid = std::atoi(text.c_str());
    return pid > 0;
  }));
  EXPECT_TRUE(Within(kPatience, [&] { return !Exists("/proc/" + std::to_string(pid)); }));
}

TEST(Check, KnowsTheProgramsPid) {
  const FakeGuardian guardian;
  const Folder folder;
  const Wrapped run({"--name", "shop", "--timeout", "20s", "--check-every", "20ms", "--check",
                     "test \"$PROCCTL_PID\" = \"$(cat " + folder / "pid" + ")\"", "--", "sh", "-c",
                     "echo $$ > " + folder / "pid" + "; while :; do sleep 0.02; done"});
  ASSERT_TRUE(IsGuarded(guardian));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Moves(guardian.page(1)));
}

TEST(Check, MayPrintAsMuchAsItLikesAndTheNoteStaysShort) {
  const FakeGuardian guardian;
  const Wrapped run({"--name", "shop", "--timeout", "20s", "--check",
                     "head -c 500000 /dev/zero | tr '\\0' 'x'; exit 1", "--", "sh", "-c",
                     kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  EXPECT_TRUE(Within(kPatience, [&] { return !NoteOf(guardian.page(1)).empty(); }));
  EXPECT_TRUE(Within(kPatience, [&] {
    return NoteOf(guardian.page(1)) == "check exited 1: " + std::string(100, 'x');
  })) << NoteOf(guardian.page(1));
}

TEST(Grace, TheProgramCountsAsWellUntilItsFirstSign) {
  const FakeGuardian guardian;
  const Folder folder;
  const CountedCheck check("test -e " + folder / "up");
  const Wrapped run({"--name", "shop", "--timeout", "2s", "--check-every", "20ms", "--check",
                     check.command(), "--grace-start", "1h", "--", "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  EXPECT_TRUE(check.Runs(1));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Moves(guardian.page(1)));
  EXPECT_EQ(NoteOf(guardian.page(1)), "check exited 1");

  Touch(folder / "up");
  EXPECT_TRUE(Within(kPatience, [&] { return NoteOf(guardian.page(1)).empty(); }));
  std::filesystem::remove(folder / "up");
  EXPECT_TRUE(Within(kPatience, [&] { return NoteOf(guardian.page(1)) == "check exited 1"; }));
  const uint64_t beats = BeatsOf(guardian.page(1));
  // Longer than the half second between two beats of the grace.
  EXPECT_TRUE(Rests(guardian.page(1)) && Rests(guardian.page(1)) && Rests(guardian.page(1)));
  EXPECT_EQ(BeatsOf(guardian.page(1)), beats);
}

TEST(Grace, Ends) {
  const FakeGuardian guardian;
  const CountedCheck check("false");
  const Wrapped run({"--name", "shop", "--timeout", "200ms", "--check-every", "20ms", "--check",
                     check.command(), "--grace-start", "1s", "--", "sh", "-c", kForever});
  ASSERT_TRUE(IsGuarded(guardian));
  EXPECT_TRUE(Within(kPatience, [&] { return Rests(guardian.page(1)); }));
  EXPECT_TRUE(Rests(guardian.page(1)));
  EXPECT_TRUE(check.Runs(2));
}

TEST(NoGuardian, TheProgramRunsAndItIsSaidOnce) {
  setenv("PROCCTL_HEARTBEAT_SOCKET", "/nowhere/heartbeat.sock", 1);
  Wrapped run({"--name", "shop", "--timeout", "5s", "--", "sh", "-c", "echo hello"});
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_EQ(run.out(), "hello\n");
  // A program as short as this one may have ended before anybody was asked.
  if (!run.err().empty()) {
    EXPECT_EQ(run.err(),
              "procctl-run: not guarded yet: No such file or directory; running it, trying "
              "again\n");
  }
  Wrapped quiet({"--name", "shop", "--timeout", "5s", "--quiet", "--", "sh", "-c", "sleep 0.3"});
  EXPECT_EQ(quiet.Wait(), 0);
  EXPECT_EQ(quiet.err(), "");
  unsetenv("PROCCTL_HEARTBEAT_SOCKET");
}

TEST(NoGuardian, OneThatComesLaterGuards) {
  const Folder folder;
  setenv("PROCCTL_HEARTBEAT_SOCKET", (folder / "sock").c_str(), 1);
  const Wrapped run({"--name", "shop", "--timeout", "400ms", "--", "sh", "-c", kForever});
  const std::string unguarded =
      "procctl-run: not guarded yet: No such file or directory; running it, trying again\n";
  ASSERT_TRUE(Within(kPatience, [&] { return run.err() == unguarded; })) << run.err();

  const FakeGuardian guardian;
  std::filesystem::create_symlink(guardian.socket_path(), folder / "sock");
  ASSERT_TRUE(IsGuarded(guardian));
  EXPECT_TRUE(Moves(guardian.page(1)));
  EXPECT_TRUE(Within(kPatience, [&] {
    return run.err() == unguarded + "procctl-run: guarded as \"shop\" now\n";
  })) << run.err();
}

TEST(NoGuardian, OneThatRefusesIsQuoted) {
  const FakeGuardian guardian([](int connection, const procctl_register_request&) {
    const procctl_register_answer answer = heartbeat::RefusedAnswer(EDQUOT, "no slot left");
    heartbeat::SendAnswer(connection, &answer, sizeof(answer), {});
  });
  const Wrapped run({"--name", "shop", "--timeout", "5s", "--", "sh", "-c", kForever});
  EXPECT_TRUE(Within(kPatience, [&] {
    return run.err().find("Disk quota exceeded: no slot left; running it") != std::string::npos;
  })) << run.err();
  EXPECT_GT(run.PidAfter("pid"), 0);
}

}  // namespace
}  // namespace procctl::run
