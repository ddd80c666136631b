// The real program: that its streams, exit codes and logs are what the parts promise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Result {
  int code;
  std::string text;  // stdout and stderr together
};

Result Shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, ""};
  Result result;
  char chunk[4096];
  for (size_t n = 0; (n = fread(chunk, 1, sizeof(chunk), pipe)) > 0;) result.text.append(chunk, n);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

class BinaryTest : public ::testing::Test {
 protected:
  BinaryTest() : controller_(fleet_.Controller()), alice_(fleet_.Issue(Role::kOperator, "alice")) {}

  std::string Command(const std::string& address) const {
    return "env -i PROCCTL_CONTROLLER=" + address + " PROCCTL_CA=" + alice_.ca +
           " PROCCTL_CERT=" + alice_.cert + " PROCCTL_KEY=" + alice_.key + " " PROCCTL_CLI_BINARY;
  }

  procctl::testing::TestFleet fleet_;
  testing::FakeController controller_;
  TlsFiles alice_;
};

TEST_F(BinaryTest, ListsWithoutColoursIntoAPipe) {
  controller_.slots = {testing::Row("web-01", "api", v1::SLOT_STATE_HUNG, 4120)};
  const Result result = Shell(Command(controller_.address()) + " list");
  EXPECT_EQ(result.code, 0) << result.text;
  EXPECT_THAT(result.text, AllOf(StartsWith("NODE"), HasSubstr("hung"), Not(HasSubstr("\x1b"))));
}

TEST_F(BinaryTest, AnUnreachableControllerIsOneSentenceAndExitCode5) {
  std::string address;
  {
    const testing::FakeController gone(fleet_.Controller());
    address = gone.address();
  }
  const Result result = Shell(Command(address) + " list");
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.text, StartsWith("procctl-cli: cannot reach the controller at " + address));
  EXPECT_EQ(std::count(result.text.begin(), result.text.end(), '\n'), 1) << result.text;
}

// libprotobuf logs such an answer on its own; its line must not reach anybody.
TEST_F(BinaryTest, AnAnswerThatIsNotUtf8IsOneSentence) {
  controller_.slots = {testing::Row("n", "\xff", v1::SLOT_STATE_ALIVE, 11)};
  const Result result = Shell(Command(controller_.address()) + " list");
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(std::count(result.text.begin(), result.text.end(), '\n'), 1) << result.text;
}

TEST_F(BinaryTest, AKillWithoutATerminalNeverWaitsForAnAnswer) {
  controller_.slots = {testing::Row("n", "a", v1::SLOT_STATE_ALIVE, 11),
                       testing::Row("n", "b", v1::SLOT_STATE_ALIVE, 12)};
  const Result result = Shell(Command(controller_.address()) + " kill n/a n/b </dev/null");
  EXPECT_EQ(result.code, 9) << result.text;
  EXPECT_TRUE(controller_.kills.empty());
}

TEST_F(BinaryTest, LogsIntoAPipeAreRawAndEndWithTheirReader) {
  controller_.programs = {testing::ProgramRow("n", "p", v1::PROGRAM_STATE_RUNNING, 11)};
  controller_.on_read = [](const v1::ReadOutput& read, v1::OutputChunk* chunk) {
    if (read.cursor().empty()) chunk->set_data("raw \x1b bytes\n");
    chunk->set_cursor("c");
    return grpc::Status::OK;
  };
  // The shell waits for both ends of its pipe.
  const Result result = Shell(Command(controller_.address()) + " logs n/p -f | head -n 1");
  EXPECT_EQ(result.text, "raw \x1b bytes\n");
}

TEST_F(BinaryTest, ARestartOfSeveralWithoutATerminalNeedsYes) {
  controller_.programs = {testing::ProgramRow("n", "p@1", v1::PROGRAM_STATE_RUNNING, 11),
                          testing::ProgramRow("n", "p@2", v1::PROGRAM_STATE_RUNNING, 12)};
  const Result result = Shell(Command(controller_.address()) + " restart n/p </dev/null");
  EXPECT_EQ(result.code, 9) << result.text;
  EXPECT_TRUE(controller_.orders.empty());
}

TEST_F(BinaryTest, UsageErrorsExitWith2) {
  EXPECT_EQ(Shell(PROCCTL_CLI_BINARY " lsit").code, 2);
  EXPECT_EQ(Shell("env -i " PROCCTL_CLI_BINARY " list").code, 2);
  EXPECT_EQ(Shell(PROCCTL_CLI_BINARY " --help").code, 0);
  EXPECT_EQ(Shell("env -i " PROCCTL_CLI_BINARY " version").code, 0);
}

}  // namespace
}  // namespace procctl::cli
