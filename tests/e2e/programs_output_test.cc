// Where what programs print ends up, beside files: in death events and in the system's journal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/programs_fixture.h"
#include "tests/node/logger/fake_journal.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;

TEST_F(Programs, EachDeathHasItsOwnLastWordsOnly) {
  // Lives that are well apart, and the last of which parks it.
  Start(Entry(
      "talker", "echo words of $PROCCTL_RUN >&2; exit 3",
      {"backoff: {first: 1s, most: 1s, jitter_percent: 0}", "intensity: {starts: 3, within: 1h}"}));
  AwaitState("talker", v1::PROGRAM_STATE_PARKED);
  const size_t deaths = Count(v1::EVENT_KIND_PROGRAM_ENDED);
  ASSERT_GE(deaths, 2u);
  Await(
      30s, "the last words of all lives",
      [&] { return Count(v1::EVENT_KIND_PROGRAM_LAST_WORDS) >= deaths; },
      [&] { return fleet_.node("n1").Log(); });
  for (const v1::Event& event : Of(v1::EVENT_KIND_PROGRAM_LAST_WORDS)) {
    EXPECT_EQ(event.death().stderr_tail(), "words of " + event.run() + "\n");
  }
}

TEST_F(Programs, OutputGoesToTheJournal) {
  const std::string path = fleet_.folder() + "/journal";
  fleet_.StartController();
  NodeOptions options;
  options.env = {{"PROCCTL_JOURNAL_SOCKET", path}};
  options.programs = Entry("talker", "echo hello; echo oops >&2; " + std::string(kForever),
                           {"output: {stdout: journal, stderr: journal}"});
  fleet_.StartNode("n1", options);
  fleet_.AwaitConnected(1, 30s);
  const pid_t pid = AwaitState("talker", v1::PROGRAM_STATE_RUNNING).incarnation().pid();
  // It was started without one; what it said is kept, and that it cannot be written is said.
  EXPECT_TRUE(Eventually(30s, [&] {
    return fleet_.node("n1").Log().find("the output of talker cannot be written") !=
           std::string::npos;
  }));
  logger::FakeJournal journal(path);
  ASSERT_TRUE(Eventually(30s, [&] {
    journal.Take();
    return journal.Has("hello") && journal.Has("oops");
  }));
  for (const logger::JournalFields& entry : journal.entries) {
    EXPECT_EQ(entry.at("SYSLOG_IDENTIFIER"), "talker");
    EXPECT_EQ(entry.at("PROCCTL_STREAM"), entry.at("MESSAGE") == "hello" ? "stdout" : "stderr");
  }
  const Finished logs = fleet_.Cli({"logs", "n1/talker"});
  EXPECT_NE(logs.exit_code, 0);
  EXPECT_THAT(logs.err, HasSubstr("journalctl -t talker"));

  // Another place for its output is a restart, as config.proto says.
  const std::string out = fleet_.folder() + "/talker.out";
  (void)Reload(Entry("talker", "echo hello; echo oops >&2; " + std::string(kForever),
                     {"output: {stdout: '" + out + "', stderr: journal}"}),
               v1::EVENT_KIND_CONFIG_APPLIED);
  EXPECT_NE(AwaitNewPid("talker", pid), pid);
  EXPECT_TRUE(Eventually(30s, [&] { return ReadFile(out) == "hello\n"; }));
  EXPECT_EQ(fleet_.Cli({"logs", "n1/talker"}).out, "hello\n");
}

}  // namespace
}  // namespace procctl::e2e
