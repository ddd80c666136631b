#include "node/os/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "node/os/seqpacket.h"

namespace procctl::node {
namespace {

// Runs a shell script whose descriptor 3 is our socket, and returns what it writes there.
std::string Ask(const std::string& script, const SpawnUser* user = nullptr) {
  auto pair = MakeSocketPair();
  SpawnRequest request{"/bin/sh", {"-c", script}, pair->theirs.get(), user};
  auto child = Spawn(request);
  EXPECT_TRUE(child.ok()) << child.status();
  if (!child.ok()) return "";
  pair->theirs.reset();
  pollfd ready{pair->ours.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 10000), 1);
  auto packet = Receive(pair->ours.get(), 4096);
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(child->pidfd()), &info, WEXITED);
  EXPECT_TRUE(packet.ok()) << packet.status();
  return packet.ok() ? packet->bytes : "";
}

TEST(Spawn, TheChildInheritsNothingButItsSocket) {
  const UniqueFd stray(open("/dev/null", O_RDONLY));  // not close-on-exec
  // Asked one by one: a listing would show the descriptor it lists with.
  EXPECT_EQ(
      Ask("i=0; while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && s=\"$s$i \"; i=$((i+1)); done; "
          "printf '%s' \"$s\" >&3"),
      "0 1 2 3 ");
}

TEST(Spawn, AChildMayHaveNoSocket) {
  auto child = Spawn({"/bin/sh", {"-c", "exit 7"}, -1, nullptr});
  ASSERT_TRUE(child.ok()) << child.status();
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(child->pidfd()), &info, WEXITED);
  EXPECT_EQ(info.si_status, 7);
}

TEST(Spawn, WhatFailedIsToldToNobodyElse) {
  // A socket of the parent's at the number that the child reports errors through, once it has moved
  // them.
  auto pair = MakeSocketPair();
  const UniqueFd taken(fcntl(pair->theirs.get(), F_DUPFD, 4));
  EXPECT_FALSE(Spawn({"/nowhere/at/all", {}, -1, nullptr}).ok());
  EXPECT_TRUE(absl::IsUnavailable(Receive(pair->ours.get(), 4096).status()));
}

TEST(Spawn, TheEnvironmentIsSmallAndItsOwn) {
  setenv("SSLKEYLOGFILE", "/tmp/secret", 1);
  const std::string environment = Ask("s=$(env); printf '%s' \"$s\" >&3");
  unsetenv("SSLKEYLOGFILE");
  EXPECT_EQ(environment.find("SSLKEYLOGFILE"), std::string::npos) << environment;
  EXPECT_NE(environment.find("PATH="), std::string::npos);
}

TEST(Spawn, SignalsAreDefaultEvenWhereOursAreBlocked) {
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, &old);
  const std::string masks =
      Ask("s=$(grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '\\n'); printf '%s' \"$s\" >&3");
  sigprocmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(masks, "SigBlk:\t0000000000000000SigIgn:\t0000000000000000");
}

TEST(Spawn, RunsAsTheGivenUserWithoutAnyPrivilege) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const SpawnUser nobody{65534, 65534};
  EXPECT_EQ(Ask("s=$(grep -E '^(Uid|Groups|CapEff|NoNewPrivs)' /proc/$$/status | tr -d '\\n'); "
                "printf '%s' \"$s\" >&3",
                &nobody),
            "Uid:\t65534\t65534\t65534\t65534Groups:\t CapEff:\t0000000000000000NoNewPrivs:\t1");
}

TEST(Spawn, SaysWhatCouldNotBeStarted) {
  auto pair = MakeSocketPair();
  const auto child = Spawn({"/nonexistent/uplink", {}, pair->theirs.get(), nullptr});
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(std::string(child.status().message()),
            "cannot start /nonexistent/uplink: exec: No such file or directory");
}

TEST(FindUser, SaysHowToMakeAMissingUser) {
  EXPECT_TRUE(FindUser("root").ok());
  const auto missing = FindUser("no-such-user-here");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find("useradd --system"), absl::string_view::npos);
}

}  // namespace
}  // namespace procctl::node
