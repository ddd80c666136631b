// What a node does by itself with its configuration file, with programs that need each other, and
// in quiet times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Longer than the second that a file has to rest, and than a busy host takes to look at it.
constexpr auto kNothing = 4s;

class WatchedFile : public Programs {
 protected:
  void StartWatching() {
    fleet_.StartController();
    NodeOptions options;
    options.programs = Entry("one", kForever);
    options.yaml = "watch_file: true\n";
    Node& node = fleet_.StartNode("n1", options);
    fleet_.AwaitConnected(1, 30s);
    AwaitState("one", v1::PROGRAM_STATE_RUNNING);
    file_ = node.config();
    first_ = ReadFile(file_);
  }
  void InPlace(const std::string& text) { std::ofstream(file_, std::ios::trunc) << text; }
  void RenamedOver(const std::string& text) {
    std::ofstream(file_ + ".new") << text;
    std::filesystem::rename(file_ + ".new", file_);
  }
  // The one answer after those before, by the file itself.
  v1::Event AwaitAnswer(v1::EventKind kind, size_t before) {
    Await(
        30s, v1::EventKind_Name(kind), [&] { return Count(kind) > before; },
        [&] { return fleet_.node("n1").Log(); });
    const std::vector<v1::Event> events = Of(kind);
    EXPECT_EQ(events.size(), before + 1);
    EXPECT_EQ(events.back().issuer(), "file");
    return events.back();
  }
  size_t Answers() {
    return Count(v1::EVENT_KIND_CONFIG_APPLIED) + Count(v1::EVENT_KIND_CONFIG_REFUSED);
  }
  void ExpectNoAnswerMore() {
    const size_t before = Answers();
    EXPECT_TRUE(Throughout(kNothing, [&] { return Answers() == before; }));
  }

  std::string file_;
  std::string first_;
};

TEST_F(WatchedFile, IsTakenUpHoweverItIsWritten) {
  StartWatching();
  const pid_t one = AwaitPids(fleet_, "n1", 1).at("one");
  // As it is: nothing happens.
  RenamedOver(first_);
  ExpectNoAnswerMore();

  RenamedOver(first_ + Entry("two", kForever));
  EXPECT_THAT(AwaitAnswer(v1::EVENT_KIND_CONFIG_APPLIED, 0).message(), HasSubstr("two: added"));
  AwaitState("two", v1::PROGRAM_STATE_RUNNING);
  // What was renamed over it is watched too.
  InPlace(first_ + Entry("two", kForever) + Entry("three", kForever));
  EXPECT_THAT(AwaitAnswer(v1::EVENT_KIND_CONFIG_APPLIED, 1).message(), HasSubstr("three: added"));
  AwaitState("three", v1::PROGRAM_STATE_RUNNING);
  EXPECT_EQ(AwaitPids(fleet_, "n1", 3).at("one"), one);
}

TEST_F(WatchedFile, WithAFaultIsToldOfOnceAndChangesNothing) {
  StartWatching();
  const std::string bad = first_ + Entry("two", kForever, {"umask: '99'"});
  RenamedOver(bad);
  EXPECT_THAT(AwaitAnswer(v1::EVENT_KIND_CONFIG_REFUSED, 0).message(), HasSubstr("node.yaml:"));
  // Written again, it is no other file.
  InPlace(bad);
  ExpectNoAnswerMore();
  EXPECT_EQ(AwaitPids(fleet_, "n1", 1).size(), 1U);
  InPlace(first_ + Entry("two", kForever));
  (void)AwaitAnswer(v1::EVENT_KIND_CONFIG_APPLIED, 0);
  AwaitState("two", v1::PROGRAM_STATE_RUNNING);
  EXPECT_EQ(Count(v1::EVENT_KIND_CONFIG_REFUSED), 1U);
}

TEST_F(WatchedFile, IsWatchedOrNotAsItSaysItself) {
  StartWatching();
  std::string unwatched = first_;
  const std::string key = "watch_file: true";
  ASSERT_NE(unwatched.find(key), std::string::npos);
  unwatched.replace(unwatched.find(key), key.size(), "watch_file: false");
  InPlace(unwatched);
  const v1::Event applied = AwaitAnswer(v1::EVENT_KIND_CONFIG_APPLIED, 0);
  EXPECT_THAT(applied.message(), HasSubstr("the node itself: live (watch_file)"));
  EXPECT_THAT(applied.message(), Not(HasSubstr("not applied")));
  InPlace(first_ + Entry("two", kForever));
  ExpectNoAnswerMore();
  fleet_.node("n1").guardian().Signal(SIGHUP);
  AwaitState("two", v1::PROGRAM_STATE_RUNNING);
  // From here on it is watched again.
  Await(30s, "the answer to SIGHUP", [&] { return Count(v1::EVENT_KIND_CONFIG_APPLIED) == 2; });
  InPlace(first_);
  (void)AwaitAnswer(v1::EVENT_KIND_CONFIG_APPLIED, 2);
}

TEST_F(Programs, AReloadThatTheTableHasNoRoomForIsRefused) {
  fleet_.StartController();
  NodeOptions options;
  options.programs = Entry("one", kForever);
  options.yaml = "heartbeat: {max_slots: 3}\n";
  Node& node = fleet_.StartNode("n1", options);
  fleet_.AwaitConnected(1, 30s);
  AwaitState("one", v1::PROGRAM_STATE_RUNNING);
  EXPECT_THAT(Reload(Entry("one", kForever) + Entry("many", kForever, {"instances: 3"}),
                     v1::EVENT_KIND_CONFIG_REFUSED)
                  .message(),
              AllOf(HasSubstr("programs.1.instances"), HasSubstr("heartbeat.max_slots is 3")));
  // A larger table in the same file is made at the next start of the guardian only.
  std::string text = ReadFile(node.config());
  text.replace(text.find("max_slots: 3"), 12, "max_slots: 9");
  std::ofstream(node.config(), std::ios::trunc) << text;
  node.guardian().Signal(SIGHUP);
  Await(30s, "the second refusal", [&] { return Count(v1::EVENT_KIND_CONFIG_REFUSED) == 2; });
  EXPECT_THAT(Of(v1::EVENT_KIND_CONFIG_REFUSED).back().message(),
              AllOf(HasSubstr("many: with it there are 4 instances"),
                    HasSubstr("until the guardian is started anew")));
  EXPECT_EQ(AwaitPids(fleet_, "n1", 1).size(), 1U);
}

class NeededPrograms : public Programs {
 protected:
  // web needs app, app needs db.
  void StartChain() {
    Start(Entry("web", kForever, {"needs: [app]"}) + Entry("app", kForever, {"needs: [db]"}) +
          Entry("db", kForever, {"backoff: {first: 0s}"}));
    pids_ = AwaitPids(fleet_, "n1", 3);
  }
  // "-web" for an end and "+web" for a start, in their order, from the event `from` on.
  std::vector<std::string> Moves(size_t from) {
    std::vector<std::string> moves;
    const std::vector<v1::Event> events = fleet_.Events();
    for (size_t i = from; i < events.size(); ++i) {
      if (events[i].kind() == v1::EVENT_KIND_PROGRAM_ENDED)
        moves.push_back("-" + events[i].program());
      if (events[i].kind() == v1::EVENT_KIND_PROGRAM_STARTED)
        moves.push_back("+" + events[i].program());
    }
    return moves;
  }
  void AwaitMoves(size_t from, size_t count) {
    Await(
        30s, std::to_string(count) + " starts and ends",
        [&] { return Moves(from).size() >= count; },
        [&] { return ::testing::PrintToString(Moves(from)) + fleet_.node("n1").Log(); });
  }

  std::map<std::string, pid_t> pids_;
};

TEST_F(NeededPrograms, ARestartIsPassedOnAndAnEndIsNot) {
  StartChain();
  size_t from = fleet_.Events().size();
  ExpectOk(fleet_.Cli({"restart", "n1/db"}));
  AwaitMoves(from, 6);
  EXPECT_THAT(Moves(from), ElementsAre("-web", "-app", "-db", "+db", "+app", "+web"));
  pids_ = AwaitPids(fleet_, "n1", 3);

  from = fleet_.Events().size();
  const FleetProcess db(pids_.at("db"));
  db.SignalChildOf(fleet_.node("n1").guardian().pid(), SIGKILL);
  AwaitNewPid("db", pids_.at("db"));
  EXPECT_THAT(Moves(from), ElementsAre("-db", "+db"));

  from = fleet_.Events().size();
  ExpectOk(fleet_.Cli({"stop", "n1/db"}));
  AwaitState("db", v1::PROGRAM_STATE_STOPPED);
  AwaitState("web", v1::PROGRAM_STATE_WAITING);
  EXPECT_THAT(Moves(from), ElementsAre("-web", "-app", "-db"));
  ExpectOk(fleet_.Cli({"start", "n1/db"}));
  AwaitMoves(from, 6);
  EXPECT_THAT(Moves(from), ElementsAre("-web", "-app", "-db", "+db", "+app", "+web"));
}

TEST_F(Programs, InAQuietTimeNothingIsStartedBySchedule) {
  // From a minute ago on, for an hour.
  const absl::CivilSecond begin =
      absl::ToCivilSecond(absl::Now() - absl::Minutes(1), absl::UTCTimeZone());
  const std::string quiet = "quiet: [{from: '" + std::to_string(begin.minute()) + " " +
                            std::to_string(begin.hour()) + " * * *', last: 1h}]";
  const auto entry = [](const std::string& key) {
    return Entry("often", "exit 0", {"every: 1s", key});
  };
  Start(entry(quiet));
  const v1::Program row = AwaitState("often", v1::PROGRAM_STATE_SCHEDULED);
  EXPECT_THAT(row.message(), HasSubstr("quiet until "));
  EXPECT_GT(row.next_start().seconds(), absl::ToUnixSeconds(absl::Now() + absl::Minutes(50)));
  EXPECT_TRUE(Throughout(2s, [&] { return Count(v1::EVENT_KIND_PROGRAM_STARTED) == 0; }));
  // An order is obeyed.
  ExpectOk(fleet_.Cli({"start", "n1/often"}));
  Await(30s, "a run by order", [&] { return Count(v1::EVENT_KIND_PROGRAM_ENDED) == 1; });
  EXPECT_TRUE(Throughout(2s, [&] { return Count(v1::EVENT_KIND_PROGRAM_STARTED) == 1; }));
  EXPECT_THAT(Reload(entry("manual: false"), v1::EVENT_KIND_CONFIG_APPLIED).message(),
              HasSubstr("often: live (quiet"));
  Await(30s, "runs", [&] { return Count(v1::EVENT_KIND_PROGRAM_ENDED) >= 3; });
}

}  // namespace
}  // namespace procctl::e2e
