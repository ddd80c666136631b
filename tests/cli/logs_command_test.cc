#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <sstream>

#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using ::testing::ElementsAre;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::ProgramRow;

// What the node says to one call after another; after the last it has nothing more.
struct Answer {
  std::string data;
  bool lost = false;
  std::string error;
  grpc::Status status = grpc::Status::OK;
};

class LogsCommandTest : public ::testing::Test {
 protected:
  LogsCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {
    controller_.programs = {ProgramRow("web-01", "tor", v1::PROGRAM_STATE_RUNNING, 7),
                            ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_RUNNING, 8),
                            ProgramRow("web-01", "web@2", v1::PROGRAM_STATE_RUNNING, 9)};
    controller_.nodes.emplace_back().set_id("web-01");
    controller_.nodes[0].set_state(v1::NODE_STATE_CONNECTED);
    controller_.on_read = [this](const v1::ReadOutput&, v1::OutputChunk* chunk) {
      chunk->set_cursor("c" + std::to_string(given_));
      if (given_ >= answers_.size()) {
        over_ = true;
        return grpc::Status::OK;
      }
      const Answer& answer = answers_[given_++];
      chunk->set_cursor("c" + std::to_string(given_));
      chunk->set_data(answer.data);
      chunk->set_lost(answer.lost);
      chunk->set_error(answer.error);
      return answer.status;
    };
    // A reader of stdout that goes away once everything was said.
    cli_.closed = [this] { return over_.load(); };
  }

  std::atomic<bool> over_{false};
  size_t given_ = 0;
  std::vector<Answer> answers_;
  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(LogsCommandTest, GoesOnFromChunkToChunk) {
  answers_ = {{"one\ntw"}, {"o\nthree\n"}};
  const Outcome outcome = cli_.Run({"logs", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "one\ntwo\nthree\n");
  ASSERT_EQ(controller_.reads.size(), 3U);
  EXPECT_EQ(controller_.reads[0].node(), "web-01");
  EXPECT_EQ(controller_.reads[0].read().program(), "tor");
  EXPECT_EQ(controller_.reads[0].read().tail_lines(), 50);
  EXPECT_EQ(controller_.reads[0].read().cursor(), "");
  EXPECT_FALSE(controller_.reads[0].read().has_wait());
  EXPECT_FALSE(controller_.reads[0].read().stderr());
  EXPECT_EQ(controller_.reads[1].read().cursor(), "c1");
  EXPECT_EQ(controller_.reads[2].read().cursor(), "c2");
}

// A program may write faster than it is read.
TEST_F(LogsCommandTest, NoMoreThanTheLinesThatWereAskedFor) {
  answers_ = {{"one\n"}, {"two\nthree\nfour\n"}, {"five\n"}};
  const Outcome outcome = cli_.Run({"logs", "web-01/tor", "--tail", "3", "--stderr"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "one\ntwo\nthree\n");
  EXPECT_EQ(controller_.reads.size(), 2U);
  EXPECT_TRUE(controller_.reads[0].read().stderr());
}

TEST_F(LogsCommandTest, ATerminalGetsNoBytesThatActOnIt) {
  answers_ = {{"a\x1b[2J\tb\r\n\xe2\x82"}, {"\xac\n\xff"}};
  EXPECT_EQ(cli_.Run({"logs", "web-01/tor"}).out, "a\x1b[2J\tb\r\n\xe2\x82\xac\n\xff");
  cli_.terminal = true;
  given_ = 0;
  over_ = false;
  EXPECT_EQ(cli_.Run({"logs", "web-01/tor"}).out, "a\\x1b[2J\tb\\x0d\n\xe2\x82\xac\n\\xff");
}

TEST_F(LogsCommandTest, FollowsUntilNobodyReads) {
  answers_ = {{"one\n"}, {""}, {"two\n", /*lost=*/true}};
  const Outcome outcome = cli_.Run({"logs", "web-01/tor", "-f", "--tail", "0"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "one\ntwo\n");
  EXPECT_EQ(outcome.err, "[output lost here]\n");
  EXPECT_EQ(controller_.reads[0].read().tail_lines(), 0);
  EXPECT_EQ(controller_.reads[0].read().wait().seconds(), 3);
}

TEST_F(LogsCommandTest, FollowsUntilCtrlC) {
  std::stop_source stop;
  cli_.detach = stop.get_token();
  cli_.closed = nullptr;
  answers_ = {{"one\n"}};
  controller_.on_read = [this, stop, inner = controller_.on_read](const v1::ReadOutput& read,
                                                                  v1::OutputChunk* chunk) mutable {
    if (given_ > 0) stop.request_stop();
    return inner(read, chunk);
  };
  const Outcome outcome = cli_.Run({"logs", "web-01/tor", "-f"});
  EXPECT_EQ(outcome.code, ExitCode::kInterrupted);
  EXPECT_EQ(outcome.out, "one\n");
}

TEST_F(LogsCommandTest, ANodeThatCannotBeHeard) {
  controller_.nodes[0].set_state(v1::NODE_STATE_LOST);
  const Answer unheard = {
      "", false, "", {grpc::StatusCode::FAILED_PRECONDITION, "web-01 was heard 95s ago"}};
  answers_ = {unheard};
  const Outcome once = cli_.Run({"logs", "web-01/tor"});
  EXPECT_EQ(once.code, ExitCode::kUnreachable);
  EXPECT_THAT(once.err, HasSubstr("web-01 was heard 95s ago"));
  // With -f it says so once, and tries again.
  given_ = 0;
  answers_ = {{"one\n"}, unheard, unheard, {"two\n"}, {"three\n"}};
  const Outcome outcome = cli_.Run({"logs", "web-01/tor", "-f"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "one\ntwo\nthree\n");
  EXPECT_EQ(outcome.err, "web-01 was heard 95s ago; trying again until Ctrl-C\nheard again\n");
  ASSERT_GE(controller_.reads.size(), 5U);
  EXPECT_EQ(controller_.reads[4].read().cursor(), controller_.reads[2].read().cursor());
}

TEST_F(LogsCommandTest, AHeardNodeThatRefusesIsNotAskedForEver) {
  const Answer refused = {
      "", false, "", {grpc::StatusCode::FAILED_PRECONDITION, "no output before 0.4"}};
  answers_ = {refused, refused, refused, refused};
  const Outcome outcome = cli_.Run({"logs", "web-01/tor", "-f"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("procctl-cli: no output before 0.4"));
}

TEST_F(LogsCommandTest, WhyThereIsNothingToRead) {
  answers_ = {{"", false, "its output goes to the journal"}};
  for (const bool follow : {false, true}) {
    given_ = 0;
    const Outcome outcome =
        follow ? cli_.Run({"logs", "web-01/tor", "-f"}) : cli_.Run({"logs", "web-01/tor"});
    EXPECT_EQ(outcome.code, ExitCode::kFailed);
    EXPECT_EQ(outcome.err, "procctl-cli: its output goes to the journal\n");
  }
}

TEST_F(LogsCommandTest, OneOfSeveralInstancesMustBeNamed) {
  const Outcome several = cli_.Run({"logs", "web-01/web"});
  EXPECT_EQ(several.code, ExitCode::kUsage);
  EXPECT_THAT(several.err, HasSubstr("has 2 instances, name one of them: web@1, web@2"));
  EXPECT_EQ(cli_.Run({"logs", "web-01/web@2"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.reads.back().read().program(), "web@2");
  const Outcome none = cli_.Run({"logs", "web-01/none"});
  EXPECT_EQ(none.code, ExitCode::kNothingMatched);
  EXPECT_THAT(none.err, HasSubstr("there is no program web-01/none"));
  EXPECT_EQ(cli_.Run({"logs", "tor"}).code, ExitCode::kUsage);
}

TEST_F(LogsCommandTest, WhoMayNotRead) {
  answers_ = {{"", false, "", {grpc::StatusCode::PERMISSION_DENIED, "viewers may not read"}}};
  EXPECT_EQ(cli_.Run({"logs", "web-01/tor"}).code, ExitCode::kNotAllowed);
}

TEST_F(LogsCommandTest, JsonIsOneObjectForEachPiece) {
  answers_ = {{"one\n\x1b"}, {"two \xff\n", /*lost=*/true}};
  const Outcome outcome = cli_.Run({"logs", "web-01/tor", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  std::vector<std::string> data;
  std::vector<bool> lost;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    google::protobuf::Struct parsed;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(line, &parsed).ok()) << line;
    data.push_back(parsed.fields().at("data").string_value());
    lost.push_back(parsed.fields().at("lost").bool_value());
  }
  EXPECT_THAT(data, ElementsAre("one\n\\x1b", "two \\xff\n"));
  EXPECT_THAT(lost, ElementsAre(false, true));
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace procctl::cli
