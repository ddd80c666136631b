// Programs from the distribution, unchanged: they beat as they would to their service manager.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;

const char* kTor = "/usr/sbin/tor";
const char* kFpm = "/usr/sbin/php-fpm8.2";

constexpr auto kGrace = 2s;

class UnchangedPrograms : public Programs {
 protected:
  // Where they write all that they write.
  std::string Entries() {
    const std::string folder = fleet_.folder() + "/real";
    mkdir(folder.c_str(), 0755);
    mkdir((folder + "/tor").c_str(), 0700);
    WriteFile(folder + "/torrc", "");
    WriteFile(folder + "/fpm.conf",
              "[global]\ndaemonize = no\nerror_log = " + folder +
                  "/fpm.log\n[www]\nuser = www-data\ngroup = www-data\nlisten = " + folder +
                  "/fpm.sock\npm = static\npm.max_children = 1\n");
    const std::string keys = "    door: notify\n    watchdog: 4s\n    grace: 2s\n";
    return "  - name: tor\n    command: [" + std::string(kTor) + ", -f, " + folder +
           "/torrc, --DataDirectory, " + folder +
           "/tor, --SocksPort, auto, --DisableNetwork, '1']\n" + keys +
           "  - name: php-fpm\n    command: [" + kFpm + ", --nodaemonize, --fpm-config, " + folder +
           "/fpm.conf]\n" + keys;
  }

  // Pid of the life of `label` that is the first to be READY after those in `old`.
  pid_t AwaitReady(const std::string& label, const std::vector<pid_t>& old) {
    return fleet_
        .AwaitEvent(label + " is ready", 60s,
                    [&](const v1::Event& event) {
                      return event.kind() == v1::EVENT_KIND_PROGRAM_READY &&
                             event.program() == label &&
                             std::count(old.begin(), old.end(), event.incarnation().pid()) == 0;
                    })
        .incarnation()
        .pid();
  }

  // How `label`, which does not beat any more, comes to its end.
  v1::Event AwaitHangAndEnd(const std::string& label, pid_t pid) {
    const v1::Event hung = fleet_.AwaitEvent("the hang", 30s, Is(v1::EVENT_KIND_HUNG, pid));
    EXPECT_EQ(hung.program(), label);
    const v1::Event term = fleet_.AwaitEvent("SIGTERM", 30s, Is(v1::EVENT_KIND_TERM_SENT, pid));
    EXPECT_GE(At(term), At(hung));
    v1::Event end = fleet_.AwaitEvent("its end", 30s, Is(v1::EVENT_KIND_PROGRAM_ENDED, pid));
    EXPECT_EQ(end.program(), label);
    EXPECT_EQ(end.death().cause(), v1::CAUSE_HEARTBEAT);
    EXPECT_EQ(end.kill(), hung.kill()) << "all of one kill";
    EXPECT_EQ(term.kill(), hung.kill());
    const v1::Event evidence =
        fleet_.AwaitEvent("what was found about it", 30s, Is(v1::EVENT_KIND_EVIDENCE, pid));
    EXPECT_GE(evidence.evidence().beats(), 2) << "READY=1 and WATCHDOG=1";
    return end;
  }

  // `why` and `history`, as a person reads them.
  void ExpectWhy(const std::string& label, const std::vector<std::string>& words) {
    const Finished why = fleet_.Cli({"why", "n1/" + label});
    EXPECT_EQ(why.exit_code, 0) << why.err;
    for (const std::string& word : words) EXPECT_THAT(why.out, HasSubstr(word));
    EXPECT_THAT(fleet_.Cli({"history", "n1/" + label}).out, HasSubstr("hung"));
    if (std::getenv("PROCCTL_TEST_KEEP") != nullptr) std::printf("%s\n", why.out.c_str());
  }
};

// Stops a process, and again whenever it is let go on, for as long as this lives.
class KeptStopped {
 public:
  // `process`: a child of `parent`.
  KeptStopped(const FleetProcess& process, pid_t parent)
      : pidfd_(static_cast<int>(syscall(SYS_pidfd_open, process.pid(), 0))) {
    process.SignalChildOf(parent, SIGSTOP);  // still the same one: then the pidfd is its own
    thread_ = std::thread([this] {
      // Where that is allowed: it must be faster than the process ends.
      const sched_param first{.sched_priority = 1};
      (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
      while (!done_) {
        (void)syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGSTOP, nullptr, 0);
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    });
  }
  ~KeptStopped() {
    done_ = true;
    thread_.join();
  }
  KeptStopped(const KeptStopped&) = delete;
  KeptStopped& operator=(const KeptStopped&) = delete;

 private:
  UniqueFd pidfd_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

TEST_F(UnchangedPrograms, AreReadyAndBeatAndAreStartedAgainWhenTheyDoNot) {
  for (const char* path : {kTor, kFpm}) {
    if (access(path, X_OK) != 0) GTEST_SKIP() << path << " is not installed";
  }
  if (geteuid() != 0) GTEST_SKIP() << "php-fpm's pool changes its user: needs root";
  Node& node = Start(Entries());
  const pid_t guardian = node.guardian().pid();
  pid_t tor = AwaitReady("tor", {});
  const pid_t fpm = AwaitReady("php-fpm", {});
  // Twice as long as their watchdog: both beat.
  EXPECT_TRUE(Throughout(9s, [&] { return Count(v1::EVENT_KIND_HUNG) == 0; }));

  // A stopped program: SIGTERM, and the SIGCONT that lets it obey.
  FleetProcess(fpm).SignalChildOf(guardian, SIGSTOP);
  (void)AwaitHangAndEnd("php-fpm", fpm);
  (void)AwaitReady("php-fpm", {fpm});
  ExpectWhy("php-fpm", {"hung", "SIGTERM", std::to_string(fpm)});

  // One that somebody stops again: SIGKILL. It may be quick enough to obey before that.
  std::vector<pid_t> lives;
  for (int tries = 0; tries < 3; ++tries) {
    lives.push_back(tor);
    v1::Event end;
    {
      const FleetProcess process(tor);
      const KeptStopped stopped(process, guardian);
      end = AwaitHangAndEnd("tor", tor);
    }
    const pid_t next = AwaitReady("tor", lives);
    if (end.death().signal() == SIGKILL) {
      const v1::Event term = fleet_.AwaitEvent("TERM", 30s, Is(v1::EVENT_KIND_TERM_SENT, tor));
      const v1::Event killed = fleet_.AwaitEvent("KILL", 30s, Is(v1::EVENT_KIND_KILL_SENT, tor));
      EXPECT_EQ(killed.kill(), end.kill());
      EXPECT_GE(At(killed) - At(term), kGrace - 100ms) << "stamped a little after it was sent";
      ExpectWhy("tor", {"hung", "SIGTERM", "SIGKILL", std::to_string(tor)});
      EXPECT_EQ(AwaitState("tor", v1::PROGRAM_STATE_RUNNING).incarnation().pid(), next);
      return;
    }
    tor = next;
  }
  ADD_FAILURE() << "tor obeyed SIGTERM three times though it was stopped";
}

}  // namespace
}  // namespace procctl::e2e
