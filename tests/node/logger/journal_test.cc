// The real program, and a journal in the test's hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/e2e/harness/child.h"
#include "tests/node/logger/fake_journal.h"
#include "tests/node/logger/node_side.h"

namespace procctl::logger {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LoggerJournal : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "journal"; }

  v1::LoggerAttach ToJournal(const std::string& label) {
    v1::LoggerAttach attach = node_.MakeAttach(label, "", "");
    attach.set_stdout_journal(true);
    attach.set_stderr_journal(true);
    return attach;
  }
  // Returns once the logger has it: what is said before that goes the old way.
  void Takes(const v1::LoggerAttach& attach) {
    node_.logger().Attach(attach);
    (void)node_.Tail(attach.label());
  }
  bool Comes(FakeJournal& journal, const std::string& message) {
    return node_.Until([&] {
      journal.Take();
      return journal.Has(message);
    });
  }

  Folder folder_;
  NodeSide node_{path()};
};

// Long lines, so that a journal that takes ten at once has not to be asked too often.
constexpr size_t kLongLine = 1000;
std::string LongLine(int number) {
  std::string line = "number " + std::to_string(number) + " ";
  line.resize(kLongLine - 1, '.');
  return line + "\n";
}

e2e::Child WriteLongLines(int fifo, int end) {
  return e2e::Child::Fork([=] {
    for (int i = 0; i < end; ++i) Say(fifo, LongLine(i));
    return 0;
  });
}

// What of them came, in order, and how many bytes are told to be lost between them. -1: not in
// order, or something else is among them.
int64_t CheckLongLines(const std::vector<std::string>& messages, int* count) {
  int64_t lost = 0;
  int next = 0;
  for (const std::string& message : messages) {
    long long bytes = 0;
    int number = 0;
    if (std::sscanf(message.c_str(), "[procctl: %lld bytes lost]", &bytes) == 1) {
      lost += bytes;
    } else if (std::sscanf(message.c_str(), "number %d", &number) == 1 && number >= next &&
               message + "\n" == LongLine(number)) {
      next = number + 1;
      ++*count;
    } else {
      return -1;
    }
  }
  return lost;
}

TEST_F(LoggerJournal, EachLineIsAnEntry) {
  FakeJournal journal(path());
  node_.logger().Attach(ToJournal("web@1"));
  Say(node_.out("web@1"), "hello\n");
  ASSERT_TRUE(Comes(journal, "hello"));
  Say(node_.err("web@1"), "o\0ps\n"s);
  ASSERT_TRUE(Comes(journal, "o\0ps"s));
  ASSERT_THAT(journal.entries, SizeIs(2));
  EXPECT_EQ(journal.entries[0], (JournalFields{{"MESSAGE", "hello"},
                                               {"PRIORITY", "6"},
                                               {"SYSLOG_IDENTIFIER", "web@1"},
                                               {"PROCCTL_PROGRAM", "web@1"},
                                               {"PROCCTL_STREAM", "stdout"}}));
  EXPECT_EQ(journal.entries[1], (JournalFields{{"MESSAGE", "o\0ps"s},
                                               {"PRIORITY", "4"},
                                               {"SYSLOG_IDENTIFIER", "web@1"},
                                               {"PROCCTL_PROGRAM", "web@1"},
                                               {"PROCCTL_STREAM", "stderr"}}));
  // The last words are known as of any other program.
  EXPECT_EQ(node_.Tail("web@1"), "o\0ps\n"s);
  EXPECT_THAT(node_.troubles, IsEmpty());
}

TEST_F(LoggerJournal, ALongLineIsOneEntryAndOneWithoutAnEndIsNotHeldBack) {
  FakeJournal journal(path());
  node_.logger().Attach(ToJournal("web"));
  const std::string line(64 * 1024 - 1, 'x');
  Say(node_.out("web"), line + "\n");
  ASSERT_TRUE(node_.Until([&] {
    journal.Take();
    return !journal.entries.empty();
  }));
  EXPECT_TRUE(journal.entries[0].at("MESSAGE") == line) << journal.entries[0].at("MESSAGE").size();
  // What has no end is said all the same, after a while.
  Say(node_.out("web"), "password: ");
  EXPECT_TRUE(Comes(journal, "password: "));
}

TEST_F(LoggerJournal, ReadersAreToldWhereToLook) {
  FakeJournal journal(path());
  node_.logger().Attach(ToJournal("web@1"));
  Say(node_.out("web@1"), "hello\n");
  ASSERT_TRUE(Comes(journal, "hello"));
  v1::ReadOutput read;
  read.set_program("web@1");
  read.set_cursor("1:2:3:4");
  read.mutable_wait()->set_seconds(3);
  for (const bool of_stderr : {false, true}) {
    read.set_stderr(of_stderr);
    const v1::OutputChunk chunk = node_.Read(read);
    EXPECT_THAT(chunk.error(), HasSubstr("journalctl -t web@1"));
    EXPECT_EQ(chunk.data(), "");
    EXPECT_EQ(chunk.cursor(), "1:2:3:4");
  }
}

TEST_F(LoggerJournal, AndFilesTakeTurnsAsTheConfigurationSays) {
  FakeJournal journal(path());
  node_.logger().Attach(node_.MakeAttach("web", "out", "err"));
  Say(node_.out("web"), "one\n");
  ASSERT_TRUE(node_.Has(node_.folder() / "out", "one\n"));
  // Only one of the two.
  v1::LoggerAttach attach = node_.MakeAttach("web", "", "err");
  attach.set_stdout_journal(true);
  Takes(attach);
  Say(node_.out("web"), "two\n");
  Say(node_.err("web"), "bad\n");
  ASSERT_TRUE(Comes(journal, "two"));
  ASSERT_TRUE(node_.Has(node_.folder() / "err", "bad\n"));
  EXPECT_EQ(journal.entries.back().at("PROCCTL_STREAM"), "stdout");
  Takes(ToJournal("web"));
  Say(node_.err("web"), "worse\n");
  ASSERT_TRUE(Comes(journal, "worse"));
  EXPECT_EQ(journal.entries.back().at("PROCCTL_STREAM"), "stderr");
  // And back. The file goes on where it was.
  Takes(node_.MakeAttach("web", "out", "err"));
  Say(node_.out("web"), "three\n");
  ASSERT_TRUE(node_.Has(node_.folder() / "out", "one\nthree\n"));
  journal.Take();
  EXPECT_THAT(journal.MessagesOf("web"), ElementsAre("two", "worse"));
  // What makes no sense is refused.
  attach.set_stdout_path("/var/log/x");
  node_.logger().Attach(attach);
  ASSERT_TRUE(node_.Until([&] { return node_.Troubles(false) == 1; }));
  EXPECT_THAT(node_.troubles[0].why(), HasSubstr("stdout_path"));
}

TEST_F(LoggerJournal, ThatIsAwayIsTroubleAndGetsItAllLater) {
  node_.logger().Attach(ToJournal("web"));
  Say(node_.out("web"), "one\n");
  ASSERT_TRUE(node_.Until([&] { return node_.Troubles(false) == 1; }));
  EXPECT_EQ(node_.troubles[0].label(), "web");
  EXPECT_THAT(node_.troubles[0].why(), HasSubstr("the journal cannot be reached"));
  Say(node_.err("web"), "two\n");
  ASSERT_TRUE(node_.Until([&] { return node_.Tail("web") == "two\n"; }));
  FakeJournal journal(path());
  ASSERT_TRUE(Comes(journal, "two"));
  EXPECT_THAT(journal.MessagesOf("web"), ElementsAre("one", "two"));
  ASSERT_TRUE(node_.Until([&] { return node_.Troubles(true) == 1; }));
  EXPECT_EQ(node_.Troubles(false), 1) << "said more than once";
  EXPECT_EQ(node_.Lost(), 0);
}

TEST_F(LoggerJournal, ThatIsStoppedHoldsUpNobody) {
  constexpr int kLines = 5'000;
  FakeJournal journal(path());
  node_.logger().Attach(ToJournal("web"));
  node_.logger().Attach(node_.MakeJointAttach("other", "other"));
  e2e::Child program = WriteLongLines(node_.out("web"), kLines);
  ASSERT_TRUE(node_.Until([&] { return node_.Troubles(false) == 1; }));
  EXPECT_THAT(node_.troubles[0].why(), HasSubstr("takes nothing"));
  Say(node_.out("other"), "hello\n");
  EXPECT_TRUE(node_.Has(node_.folder() / "other", "hello\n"));
  ASSERT_TRUE(node_.Until([&] { return !program.Running(); })) << "held up by the journal";
  EXPECT_EQ(program.WaitExit(milliseconds(0)), 0);
  ASSERT_TRUE(node_.Until([&] { return node_.Lost() > 0; }));
  EXPECT_THAT(node_.lost[0].why(), HasSubstr("the journal"));
  // The last words are known, though they wait.
  ASSERT_TRUE(node_.Until([&] {
    Say(node_.err("web"), "last words\n");
    return node_.Tail("web").find("last words\n") != std::string::npos;
  }));

  std::string last = LongLine(kLines - 1);
  last.pop_back();
  ASSERT_TRUE(Comes(journal, last));
  ASSERT_TRUE(Comes(journal, "last words"));
  EXPECT_TRUE(node_.Until([&] {
    journal.Take();
    return node_.Troubles(true) == node_.Troubles(false);
  }));
  std::vector<std::string> messages = journal.MessagesOf("web");
  std::erase(messages, "last words");
  int count = 0;
  const int64_t told = CheckLongLines(messages, &count);
  EXPECT_EQ(told, static_cast<int64_t>(kLongLine) * (kLines - count)) << "not to the byte";
  EXPECT_GT(told, 0);
  EXPECT_GE(count, 500) << "the backlog keeps the newest";
  EXPECT_TRUE(node_.Until([&] { return node_.Lost() == told; })) << node_.Lost() << " " << told;
}

TEST_F(LoggerJournal, ThatIsOnlyBusyLosesNothing) {
  // Each far more than is kept for a program.
  constexpr int kLines = 3'000;
  FakeJournal journal(path());
  node_.logger().Attach(ToJournal("one"));
  node_.logger().Attach(ToJournal("two"));
  e2e::Child one = WriteLongLines(node_.out("one"), kLines);
  e2e::Child two = WriteLongLines(node_.out("two"), kLines);
  const bool all = node_.Until([&] {
    journal.Take();
    return journal.entries.size() >= 2 * size_t{kLines} || !node_.troubles.empty();
  });
  if (!node_.troubles.empty()) {
    one.Signal(SIGKILL);
    two.Signal(SIGKILL);
    GTEST_SKIP() << "this test itself stood still for so long that the journal looked stopped";
  }
  ASSERT_TRUE(all) << journal.entries.size();
  for (const char* program : {"one", "two"}) {
    int count = 0;
    EXPECT_EQ(CheckLongLines(journal.MessagesOf(program), &count), 0);
    EXPECT_EQ(count, kLines);
  }
  EXPECT_EQ(node_.Lost(), 0);
}

// There is no room for what is in the FIFO, and the logger leaves it there: for half a second, then
// the journal counts as stopped. What is asked for is the same before and after.
TEST_F(LoggerJournal, LastWordsAreKnownThoughThereIsNoRoomForThem) {
  FakeJournal journal(path());
  node_.logger().Attach(ToJournal("web"));
  ASSERT_EQ(node_.Tail("web"), "");
  std::string said;
  for (int i = 0, full = 0; full < 10 && node_.troubles.empty(); ++i) {
    // Shorter than PIPE_BUF: all of it or nothing.
    const std::string line = LongLine(i);
    if (write(node_.err("web"), line.data(), line.size()) > 0) {
      said += line;
      full = 0;
    } else {
      ++full;
      node_.For(milliseconds(5));
    }
  }
  ASSERT_GT(said.size(), size_t{800'000}) << "else this test is about nothing";
  EXPECT_EQ(node_.Tail("web", true), said.substr(said.size() - 4096));
  EXPECT_EQ(node_.Tail("web"), "");
  EXPECT_EQ(node_.Tail("web", true), "");
  // The next life begins right behind those that wait in the FIFO.
  e2e::Child next = e2e::Child::Fork([fifo = node_.err("web")] {
    Say(fifo, "next life\n");
    return 0;
  });
  ASSERT_TRUE(Comes(journal, "next life"));
  EXPECT_EQ(node_.Tail("web"), "next life\n");
  EXPECT_EQ(next.WaitExit(kPatience), 0);
}

TEST_F(LoggerJournal, WhatDiesWithALoggerIsCountedByTheNext) {
  node_.logger().Attach(ToJournal("web"));
  Say(node_.out("web"), "123456789\n");
  ASSERT_TRUE(node_.Until([&] { return node_.Troubles(false) == 1; }));
  ASSERT_EQ(kill(node_.logger().pid(), SIGKILL), 0);
  ASSERT_TRUE(node_.Until([&] { return !node_.logger().running(); }));
  FakeJournal journal(path());
  Say(node_.out("web"), "after\n");
  ASSERT_TRUE(Comes(journal, "after"));
  EXPECT_THAT(journal.MessagesOf("web"), ElementsAre("[procctl: 10 bytes lost]", "after"));
  EXPECT_TRUE(node_.Until([&] { return node_.Lost() == 10; }));
}

}  // namespace
}  // namespace procctl::logger
