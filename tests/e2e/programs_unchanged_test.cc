// Programs from the distribution, unchanged: they beat as they would to their service manager.
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

const char* kTor = "/usr/sbin/tor";
const char* kFpm = "/usr/sbin/php-fpm8.2";

TEST(UnchangedPrograms, TorAndPhpFpmAreReadyAndBeatAndAStoppedTorIsStartedAgain) {
  for (const char* path : {kTor, kFpm}) {
    if (access(path, X_OK) != 0) GTEST_SKIP() << path << " is not installed";
  }
  if (geteuid() != 0) GTEST_SKIP() << "php-fpm's pool changes its user: needs root";
  Fleet fleet({"n1"});
  const std::string folder = fleet.folder() + "/real";
  mkdir(folder.c_str(), 0755);
  mkdir((folder + "/tor").c_str(), 0700);
  WriteFile(folder + "/torrc", "");
  WriteFile(folder + "/fpm.conf",
            "[global]\ndaemonize = no\nerror_log = " + folder +
                "/fpm.log\n[www]\nuser = www-data\ngroup = www-data\nlisten = " + folder +
                "/fpm.sock\npm = static\npm.max_children = 1\n");
  fleet.StartController();
  NodeOptions options;
  options.programs = "  - name: tor\n    command: [" + std::string(kTor) + ", -f, " + folder +
                     "/torrc, --DataDirectory, " + folder +
                     "/tor, --SocksPort, auto, --DisableNetwork, '1']\n"
                     "    door: notify\n    watchdog: 4s\n"
                     "  - name: php-fpm\n    command: [" +
                     kFpm + ", --nodaemonize, --fpm-config, " + folder +
                     "/fpm.conf]\n    door: notify\n    watchdog: 4s\n";
  (void)fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  for (const char* name : {"tor", "php-fpm"}) {
    (void)fleet.AwaitEvent("READY", 60s, [&](const v1::Event& event) {
      return event.kind() == v1::EVENT_KIND_PROGRAM_READY && event.program() == name;
    });
  }
  // Beyond the watchdog: both beat.
  EXPECT_TRUE(Throughout(9s, [&] { return fleet.Events("kind=hung").empty(); }));
  const v1::Event started = fleet.Events("kind=program_started program=tor").at(0);
  const pid_t tor = started.incarnation().pid();
  ASSERT_EQ(kill(tor, SIGSTOP), 0);
  (void)fleet.AwaitEvent("the hang", 30s, Is(v1::EVENT_KIND_HUNG, tor));
  (void)fleet.AwaitEvent("its end", 30s, Is(v1::EVENT_KIND_PROGRAM_ENDED, tor));
  (void)fleet.AwaitEvent("another life", 60s, [&](const v1::Event& event) {
    return event.kind() == v1::EVENT_KIND_PROGRAM_READY && event.program() == "tor" &&
           event.incarnation().pid() != tor;
  });
  const Finished why = fleet.Cli({"why", "n1/tor"});
  EXPECT_EQ(why.exit_code, 0) << why.err;
  EXPECT_NE(why.out.find("hung"), std::string::npos) << why.out;
  EXPECT_NE(why.out.find("SIGTERM"), std::string::npos) << why.out;
  const Finished history = fleet.Cli({"history", "n1/tor"});
  EXPECT_NE(history.out.find("hung"), std::string::npos) << history.out;
}

}  // namespace
}  // namespace procctl::e2e
