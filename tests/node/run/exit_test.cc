// How procctl-run ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>

#include "tests/node/heartbeat/fake_guardian.h"
#include "tests/node/run/wrapped.h"

namespace procctl::run {
namespace {

using testing::HasSubstr;

class Exit : public testing::Test {
 protected:
  // The test's business is not with guards; nor may one of the machine's be asked.
  void SetUp() override { setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1); }
  void TearDown() override { unsetenv("PROCCTL_HEARTBEAT_SOCKET"); }

  static int CodeOf(const std::vector<std::string>& program) {
    std::vector<std::string> arguments = {"--name", "a", "--timeout", "5s", "--quiet", "--"};
    arguments.insert(arguments.end(), program.begin(), program.end());
    return Wrapped(arguments).Wait();
  }
};

TEST_F(Exit, TheCodeIsTheProgramsOwn) {
  EXPECT_EQ(CodeOf({"true"}), 0);
  EXPECT_EQ(CodeOf({"sh", "-c", "exit 7"}), 7);
  EXPECT_EQ(CodeOf({"sh", "-c", "exit 255"}), 255);
}

TEST_F(Exit, ASignalBecomes128AndItsNumber) {
  EXPECT_EQ(CodeOf({"sh", "-c", "kill -KILL $$"}), 128 + SIGKILL);
  EXPECT_EQ(CodeOf({"sh", "-c", "kill -USR1 $$"}), 128 + SIGUSR1);
}

TEST_F(Exit, AProgramThatIsNotThereIs127AndSaysSo) {
  Wrapped run({"--name", "a", "--timeout", "5s", "--quiet", "--", "/nowhere/shop"});
  EXPECT_EQ(run.Wait(), 127);
  EXPECT_EQ(run.err(),
            "procctl-run: cannot run \"/nowhere/shop\": No such file or directory; check its path, "
            "its #! line and PATH\n");
}

TEST_F(Exit, AProgramThatCannotBeRunIs126AndSaysSo) {
  const Folder folder;
  Touch(folder / "data");
  ASSERT_EQ(chmod((folder / "data").c_str(), 0644), 0);
  Wrapped run({"--name", "a", "--timeout", "5s", "--quiet", "--", folder / "data"});
  EXPECT_EQ(run.Wait(), 126);
  EXPECT_THAT(run.err(), HasSubstr("Permission denied; check that this user may execute it"));
}

TEST_F(Exit, ABadCommandLineIs2AndSaysWhatToDo) {
  Wrapped run({"--timeout", "5s", "true"});
  EXPECT_EQ(run.Wait(), 2);
  EXPECT_EQ(run.err(),
            "procctl-run: no name; give --name NAME, 1 to 63 bytes (see procctl-run --help)\n");
}

TEST_F(Exit, HelpIs0) {
  Wrapped run({"--help"});
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.out(), HasSubstr("Usage: procctl-run --name NAME --timeout T"));
}

TEST_F(Exit, AProgramThatFailsToStartTakesNoSlot) {
  const heartbeat::FakeGuardian guardian;
  EXPECT_EQ(CodeOf({"/nowhere/shop"}), 127);
  EXPECT_EQ(guardian.slots(), 0U);
}

TEST_F(Exit, TheProgramHasStdinStderrAndItsEnvironment) {
  setenv("PROCCTL_RUN_TEST", "kept", 1);
  Wrapped run({"--name", "a", "--timeout", "5s", "--quiet", "--", "sh", "-c",
               "echo $PROCCTL_RUN_TEST; echo complaint >&2"});
  unsetenv("PROCCTL_RUN_TEST");
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_EQ(run.out(), "kept\n");
  EXPECT_EQ(run.err(), "complaint\n");
}

TEST_F(Exit, TheProgramStartsWithNoSignalBlocked) {
  Wrapped run(
      {"--name", "a", "--timeout", "5s", "--quiet", "--", "grep", "SigBlk", "/proc/self/status"});
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_EQ(run.out(), "SigBlk:\t0000000000000000\n");
}

}  // namespace
}  // namespace procctl::run
