// The real program: what it prints, what it refuses, and what survives a kill -9.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <tuple>

#include "proto/support/channel.h"
#include "proto/support/unique_fd.h"
#include "tests/controller/rpc/fake_node.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::HasSubstr;

// One run of procctl-controller; killed when it goes.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    output_ = UniqueFd(ends[0]);
    const UniqueFd input(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, input.get(), STDERR_FILENO);
    arguments.insert(arguments.begin(), PROCCTL_CONTROLLER_BINARY);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Program() {
    if (pid_ > 0) (void)End(SIGKILL);
  }

  // The address after "listening on ", or empty if the program ends first.
  std::string Address() {
    constexpr std::string_view kMark = "listening on ";
    for (;;) {
      // The log line says it too, so only a line that begins with it counts.
      const size_t at = text_.rfind(kMark, 0) == 0 ? 0 : text_.find("\n" + std::string(kMark));
      const size_t begin = at == std::string::npos ? at : at + kMark.size() + (at == 0 ? 0 : 1);
      const size_t end = begin == std::string::npos ? begin : text_.find('\n', begin);
      if (end != std::string::npos) return text_.substr(begin, end - begin);
      if (!ReadSome()) return "";
    }
  }

  // Sends `signal` (0: none), waits for the end and returns waitpid's status.
  int End(int signal) {
    if (signal != 0) kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    while (ReadSome()) {
    }
    return status;
  }

  const std::string& text() const { return text_; }

 private:
  bool ReadSome() {
    char bytes[4096];
    pollfd wait = {output_.get(), POLLIN, 0};
    if (poll(&wait, 1, 20'000) != 1) return false;
    const ssize_t size = read(output_.get(), bytes, sizeof(bytes));
    if (size <= 0) return false;
    text_.append(bytes, static_cast<size_t>(size));
    return true;
  }

  UniqueFd output_;
  pid_t pid_ = -1;
  std::string text_;
};

class ProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> Dev() {
    return {"--dev", "--listen", "127.0.0.1:0", "--state", folder_.path() + "/dev", "--node", "a"};
  }
  std::shared_ptr<grpc::Channel> Channel(const std::string& address, const std::string& who) {
    const std::string dir = folder_.path() + "/dev/" + who;
    return MakeChannel(address, "localhost",
                       testing::Read({dir + "/ca.crt", dir + "/cert.pem", dir + "/key.pem"}));
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ProgramTest, DevRefusesAnyAddressThatIsNotLoopback) {
  for (const char* address : {"0.0.0.0:0", "10.1.2.3:7443", "[::]:0", "example.org:1"}) {
    Program program({"--dev", "--listen", address});
    EXPECT_EQ(WEXITSTATUS(program.End(0)), 2) << address;
    EXPECT_THAT(program.text(), HasSubstr("loopback only"));
  }
}

TEST_F(ProgramTest, WrongUsageIsToldAndExitsWithTwo) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"--listen", "127.0.0.1:0"}, {"--config", "/no/such/file"}}) {
    Program program(arguments);
    EXPECT_EQ(WEXITSTATUS(program.End(0)), 2);
    EXPECT_FALSE(program.text().empty());
  }
}

TEST_F(ProgramTest, ExplainPrintsAKeyAndRefusesAnUnknownOneWithTwo) {
  Program known({"explain", "suspect_after"});
  EXPECT_EQ(WEXITSTATUS(known.End(0)), 0);
  EXPECT_THAT(known.text(), HasSubstr("suspect_after: duration\n"));
  Program unknown({"explain", "lost_aftr"});
  EXPECT_EQ(WEXITSTATUS(unknown.End(0)), 2);
  EXPECT_THAT(unknown.text(), HasSubstr("did you mean \"lost_after\"?"));
}

TEST_F(ProgramTest, ReadySaysWhetherAControllerServes) {
  Program served(Dev());
  const std::string address = served.Address();
  ASSERT_FALSE(address.empty()) << served.text();
  const auto tls = [&](const std::string& who) {
    const std::string dir = folder_.path() + "/dev/" + who;
    return std::vector<std::string>{"--ca",  dir + "/ca.crt", "--cert", dir + "/cert.pem",
                                    "--key", dir + "/key.pem"};
  };
  std::vector<std::string> by_address = {"ready", "--address", address};
  for (const std::string& argument : tls("operator")) by_address.push_back(argument);
  Program ready(by_address);
  EXPECT_EQ(WEXITSTATUS(ready.End(0)), 0);
  EXPECT_EQ(ready.text(), "ready: " + address + "\n");

  const std::string dir = folder_.path() + "/dev/controller";
  const std::string config = folder_.Write(
      "c.yaml", "listen: 0.0.0.0" + address.substr(address.rfind(':')) + "\nca: " + dir +
                    "/ca.crt\ncert: " + dir + "/cert.pem\nkey: " + dir + "/key.pem\n");
  Program alive({"ready", "--live", "--config", config});
  EXPECT_EQ(WEXITSTATUS(alive.End(0)), 0);
  EXPECT_EQ(alive.text(), "alive: 127.0.0.1" + address.substr(address.rfind(':')) + "\n");

  testing::TestFleet other;
  const TlsFiles foreign = other.Issue(Role::kViewer, "stranger");
  Program refused({"ready", "--address", address, "--ca", foreign.ca, "--cert", foreign.cert,
                   "--key", foreign.key});
  EXPECT_EQ(WEXITSTATUS(refused.End(0)), 1);
  EXPECT_THAT(refused.text(), ::testing::StartsWith("not ready: the certificate of the "));

  EXPECT_EQ(WEXITSTATUS(served.End(SIGTERM)), 0);
  Program gone({"ready", "--config", config, "--timeout", "1s", "--wait", "1s"});
  EXPECT_EQ(WEXITSTATUS(gone.End(0)), 1);
  EXPECT_THAT(gone.text(), HasSubstr("not ready: "));
  Program wrong({"ready"});
  EXPECT_EQ(WEXITSTATUS(wrong.End(0)), 2);
}

TEST_F(ProgramTest, ASecondOneOnTheSameStateIsRefusedAndTheFirstGoesOn) {
  Program first(Dev());
  const std::string address = first.Address();
  ASSERT_FALSE(address.empty()) << first.text();
  Program second(Dev());
  EXPECT_EQ(WEXITSTATUS(second.End(0)), 1);
  EXPECT_THAT(second.text(), HasSubstr("another controller (pid"));
  FakeNode node(Channel(address, "nodes/a"), "a");
  EXPECT_TRUE(node.Connect());
}

TEST_F(ProgramTest, SigtermEndsItInGoodOrder) {
  Program program(Dev());
  const std::string address = program.Address();
  ASSERT_FALSE(address.empty()) << program.text();
  FakeNode node(Channel(address, "nodes/a"), "a");
  ASSERT_TRUE(node.Connect());
  const int status = program.End(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status) << "\n" << program.text();
  EXPECT_EQ(WEXITSTATUS(status), 0) << program.text();
  EXPECT_EQ(node.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ProgramTest, ABackupMadeBesideARunningControllerIsRestoredOnceItHasEnded) {
  const std::string config =
      folder_.Write("controller.yaml", "state_dir: " + folder_.path() + "/dev/state\n");
  const std::string copy = folder_.path() + "/copy.db";
  Program controller(Dev());
  const std::string address = controller.Address();
  ASSERT_FALSE(address.empty()) << controller.text();
  {
    FakeNode node(Channel(address, "nodes/a"), "a");
    ASSERT_TRUE(node.Connect());
    for (std::int64_t seq = 1; seq <= 20; ++seq) {
      ASSERT_TRUE(node.SendEvents({node.MakeEvent(5, seq)}));
    }
    ASSERT_TRUE(node.AwaitAck(5, 20));
    Program backup({"backup", copy, "--config", config});
    EXPECT_EQ(WEXITSTATUS(backup.End(0)), 0) << backup.text();
    EXPECT_THAT(backup.text(), HasSubstr("copy.db: "));
    EXPECT_THAT(backup.text(), HasSubstr("checked"));
    Program again({"backup", copy, "--config", config});
    EXPECT_EQ(WEXITSTATUS(again.End(0)), 1);
    EXPECT_THAT(again.text(), HasSubstr("never overwrites"));
    ASSERT_TRUE(node.SendEvents({node.MakeEvent(5, 21)}));
    ASSERT_TRUE(node.AwaitAck(5, 21));
  }
  Program early({"restore", copy, "--config", config});
  EXPECT_EQ(WEXITSTATUS(early.End(0)), 1);
  EXPECT_THAT(early.text(), HasSubstr("another controller (pid"));
  EXPECT_EQ(WEXITSTATUS(controller.End(SIGTERM)), 0) << controller.text();

  Program restore({"restore", copy, "--config", config});
  EXPECT_EQ(WEXITSTATUS(restore.End(0)), 0) << restore.text();
  EXPECT_THAT(restore.text(), HasSubstr("controller.db.replaced-"));
  Program restored(Dev());
  const std::string new_address = restored.Address();
  ASSERT_FALSE(new_address.empty()) << restored.text();
  FakeNode node(Channel(new_address, "nodes/a"), "a");
  ASSERT_TRUE(node.Connect());
  ASSERT_EQ(node.welcome().cursors_size(), 1);
  EXPECT_EQ(node.welcome().cursors(0).seq(), 20) << "as it was at the time of the backup";
}

TEST_F(ProgramTest, BackupAndRestoreTellWhatTheyLack) {
  const std::string config =
      folder_.Write("controller.yaml", "state_dir: " + folder_.path() + "/state\n");
  for (const auto& [arguments, code, text] :
       {std::tuple{std::vector<std::string>{"backup"}, 2, "file"},
        std::tuple{std::vector<std::string>{"restore", "x"}, 2, "--config"},
        std::tuple{std::vector<std::string>{"backup", "x", "--config", "/no/such"}, 2, "/no/such"},
        std::tuple{std::vector<std::string>{"backup", folder_.path() + "/x", "--config", config}, 1,
                   "there is no database"},
        std::tuple{std::vector<std::string>{"restore", folder_.path() + "/x", "--config", config},
                   1, "No such file"}}) {
    Program program(arguments);
    EXPECT_EQ(WEXITSTATUS(program.End(0)), code) << program.text();
    EXPECT_THAT(program.text(), HasSubstr(text));
  }
}

TEST_F(ProgramTest, ADamagedDatabaseIsNotServedAndTheTextSaysWhatToDo) {
  {
    Program first(Dev());
    ASSERT_FALSE(first.Address().empty()) << first.text();
    ASSERT_EQ(WEXITSTATUS(first.End(SIGTERM)), 0);
  }
  (void)folder_.Write("dev/state/controller.db", std::string(100'000, 'x'));
  Program program(Dev());
  EXPECT_EQ(WEXITSTATUS(program.End(0)), 1) << program.text();
  EXPECT_THAT(program.text(), HasSubstr("is damaged"));
  EXPECT_THAT(program.text(), HasSubstr("procctl-controller restore"));
}

TEST_F(ProgramTest, KilledThreeTimesDuringAThousandEventsItHasEachOnce) {
  constexpr std::int64_t kEvents = 1000;
  std::int64_t acknowledged = 0;
  for (int life = 1; acknowledged < kEvents; ++life) {
    ASSERT_LT(life, 20);
    Program program(Dev());
    const std::string address = program.Address();
    ASSERT_FALSE(address.empty()) << program.text();
    FakeNode node(Channel(address, "nodes/a"), "a");
    ASSERT_TRUE(node.Connect());
    const std::int64_t cursor =
        node.welcome().cursors_size() > 0 ? node.welcome().cursors(0).seq() : 0;
    ASSERT_GE(cursor, acknowledged) << "an acknowledged event is gone";
    // As a spool does: everything that is not acknowledged, in small batches.
    for (std::int64_t seq = acknowledged + 1; seq <= kEvents; ++seq) {
      if (!node.SendEvents({node.MakeEvent(5, seq)})) break;
    }
    const std::int64_t enough = life <= 3 ? std::min(kEvents, acknowledged + 200) : kEvents;
    ASSERT_TRUE(node.AwaitAck(5, enough));
    acknowledged = enough;
    if (life <= 3) {
      ASSERT_TRUE(WIFSIGNALED(program.End(SIGKILL)));
      continue;
    }
    const auto caller = v1::FleetService::NewStub(Channel(address, "operator"));
    v1::ListEventsRequest request;
    request.set_filter("kind=hung node=a");
    request.set_page_size(5000);
    v1::ListEventsResponse response;
    Call call;
    ASSERT_TRUE(caller->ListEvents(&call, request, &response).ok());
    std::set<std::int64_t> seqs;
    for (const v1::StoredEvent& stored : response.events()) {
      EXPECT_TRUE(seqs.insert(stored.event().id().seq()).second) << "twice";
    }
    EXPECT_EQ(seqs.size(), static_cast<size_t>(kEvents));
  }
}

}  // namespace
}  // namespace procctl::controller
