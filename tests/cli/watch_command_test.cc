// `watch` and `events --follow` against a controller that goes away and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::Row;

v1::WatchResponse Snapshot(const std::vector<v1::FleetSlot>& rows) {
  v1::WatchResponse message;
  message.mutable_snapshot();
  for (const auto& row : rows) *message.mutable_snapshot()->add_upserts() = row;
  return message;
}

v1::WatchResponse SnapshotEnd() {
  v1::WatchResponse message;
  message.mutable_snapshot_end();
  return message;
}

v1::WatchResponse Change(const v1::FleetSlot& row) {
  v1::WatchResponse message;
  *message.mutable_changes()->add_upserts() = row;
  return message;
}

v1::WatchResponse Bookmark(const std::string& token) {
  v1::WatchResponse message;
  message.mutable_bookmark()->set_resume_token(token);
  return message;
}

v1::StoredEvent Stored(std::int64_t position) {
  v1::StoredEvent stored;
  stored.set_position(position);
  stored.mutable_received_at()->set_seconds(testing::kNoon + position);
  stored.mutable_event()->set_node("web-01");
  stored.mutable_event()->set_kind(v1::EVENT_KIND_HUNG);
  stored.mutable_event()->mutable_id()->set_origin("web-01");
  stored.mutable_event()->mutable_id()->set_epoch(1);
  stored.mutable_event()->mutable_id()->set_seq(position);
  return stored;
}

v1::WatchResponse Events(const std::vector<std::int64_t>& positions) {
  v1::WatchResponse message;
  for (const auto position : positions) *message.mutable_events()->add_events() = Stored(position);
  return message;
}

grpc::Status GoingDown() {
  return {grpc::StatusCode::UNAVAILABLE, "the controller is going down; watch again"};
}

class WatchCommandTest : public ::testing::Test {
 protected:
  WatchCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "alice")} {
    cli_.detach = stop_.get_token();
    controller_.on_watch = [this](size_t number, FakeController::WatchWriter* writer,
                                  grpc::ServerContext* context) {
      // Ctrl-C once all was said, and taken: the last message is taken after all others.
      if (number >= streams_.size()) {
        stop_.request_stop();
        while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return grpc::Status::CANCELLED;
      }
      for (const v1::WatchResponse& message : streams_[number]) writer->Write(message);
      return ends_[number];
    };
  }
  void Says(std::vector<v1::WatchResponse> messages, grpc::Status end = GoingDown()) {
    streams_.push_back(std::move(messages));
    ends_.push_back(std::move(end));
  }

  std::stop_source stop_;
  std::vector<std::vector<v1::WatchResponse>> streams_;
  std::vector<grpc::Status> ends_;
  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(WatchCommandTest, TellsChangesAndGoesOnWithTheLastBookmark) {
  Says({Snapshot({Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 42)}), SnapshotEnd(),
        Bookmark("t1"), Change(Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 42)), Bookmark("t2")});
  Says({Change(Row("web-01", "encoder", v1::SLOT_STATE_TERM_SENT, 42))});
  const Outcome outcome = cli_.Run({"watch", "node=web-*", "--name", "encoder"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("  web-01/encoder[42]  alive -> hung\n"));
  EXPECT_THAT(outcome.out, HasSubstr("  web-01/encoder[42]  hung -> term_sent\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("new ->")));
  EXPECT_THAT(outcome.err, HasSubstr("watching 1 slots"));
  EXPECT_THAT(outcome.err, HasSubstr("going down"));
  EXPECT_THAT(outcome.err, HasSubstr("watching again until Ctrl-C"));
  EXPECT_THAT(outcome.err, HasSubstr("heard again"));
  ASSERT_GE(controller_.watches.size(), 2U);
  EXPECT_EQ(controller_.watches[0].slots(), "name=encoder node=web-*");
  EXPECT_EQ(controller_.watches[0].resume_token(), "");
  EXPECT_EQ(controller_.watches[1].resume_token(), "t2");
}

TEST_F(WatchCommandTest, JsonIsAnObjectALine) {
  Says({Snapshot({Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 42)}), SnapshotEnd(),
        Change(Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 42)), Bookmark("t1")});
  const Outcome outcome = cli_.Run({"watch", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2) << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("\"from\":null,\"to\":\"alive\",\"initial\":true"));
  EXPECT_THAT(outcome.out, HasSubstr("\"from\":\"alive\",\"to\":\"hung\",\"row\""));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(WatchCommandTest, AWatchThatBrokeBeforeItWasWholeBeginsAnew) {
  Says({Snapshot({Row("web-01", "old", v1::SLOT_STATE_ALIVE, 42)})});
  Says({Snapshot({}), SnapshotEnd(), Bookmark("t1")});
  const Outcome outcome = cli_.Run({"watch"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_THAT(outcome.out, HasSubstr("web-01/old[42]  alive -> gone"));
}

TEST_F(WatchCommandTest, ARefusalEndsIt) {
  Says({}, {grpc::StatusCode::INVALID_ARGUMENT, "filter: no such key"});
  Outcome outcome = cli_.Run({"watch", "stat=hung"});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("no such key"));
  Says({}, {grpc::StatusCode::RESOURCE_EXHAUSTED, "there are 5 watches already"});
  outcome = cli_.Run({"watch"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("there are 5 watches already"));
  Says({});
  outcome = cli_.Run({"watch"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable) << "nothing was ever heard";
}

TEST_F(WatchCommandTest, FollowedEventsJoinTheListWithoutHoleOrDuplicate) {
  controller_.events = {Stored(1), Stored(2)};
  // Position 3 is recorded while the watch begins, and 4 comes by it.
  Says({Bookmark("t1"), Events({2, 3, 4}), Bookmark("t2")});
  Says({Events({5})});
  const Outcome outcome = cli_.Run({"events", "-f", "kind=hung"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 5) << outcome.out;
  for (const char* id : {"web-01:1:1\n", "web-01:1:2\n", "web-01:1:3\n", "web-01:1:5\n"}) {
    EXPECT_THAT(outcome.out, HasSubstr(id));
  }
  ASSERT_GE(controller_.watches.size(), 2U);
  EXPECT_EQ(controller_.watches[0].events(), "kind=hung");
  EXPECT_EQ(controller_.watches[1].resume_token(), "t2");
  EXPECT_EQ(controller_.events_request.since().seconds(), testing::kNoon + 2)
      << "the second list is of what came between";
}

TEST_F(WatchCommandTest, EventsLeftOutAreSaid) {
  v1::WatchResponse resync;
  resync.mutable_resync()->set_reason("too slow");
  resync.mutable_resync()->set_missed(7);
  Says({Bookmark("t1"), resync, Events({9}), Bookmark("t2")});
  const Outcome outcome = cli_.Run({"events", "--follow"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_THAT(outcome.err, HasSubstr("7 events left out: too slow"));
  EXPECT_THAT(outcome.out, HasSubstr("web-01:1:9"));
}

TEST_F(WatchCommandTest, AReaderOfStdoutThatGoesAwayEndsIt) {
  int messages = 0;
  cli_.closed = [&] { return ++messages > 2; };
  Says({Bookmark("t1"), Bookmark("t2"), Bookmark("t3")});
  EXPECT_EQ(cli_.Run({"watch"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.watches.size(), 1U);
}

}  // namespace
}  // namespace procctl::cli
