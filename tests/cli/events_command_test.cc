#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using testing::FakeController;
using ::testing::HasSubstr;
using testing::Outcome;

class EventsCommandTest : public ::testing::Test {
 protected:
  EventsCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "bob")} {
    for (int i = 1; i <= 25; ++i) {
      v1::StoredEvent stored;
      stored.set_position(i);
      stored.mutable_event()->set_kind(v1::EVENT_KIND_HUNG);
      stored.mutable_event()->set_node("web-01");
      stored.mutable_event()->set_message("event " + std::to_string(i));
      controller_.events.push_back(stored);
    }
  }

  static google::protobuf::Struct Parse(const std::string& json) {
    google::protobuf::Struct parsed;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &parsed);
    EXPECT_TRUE(status.ok()) << status << "\n" << json;
    return parsed;
  }

  procctl::testing::TestFleet fleet_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(EventsCommandTest, ATableAsksForTheNewestFifty) {
  const Outcome outcome = cli_.Run({"events"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.events_request.newest(), 50);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("MESSAGE"), HasSubstr("event 1\n"), HasSubstr("event 25\n")));
}

TEST_F(EventsCommandTest, JsonHasAllPages) {
  controller_.page_size = 10;
  const Outcome outcome = cli_.Run({"events", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.events_request.newest(), 0);
  const auto parsed = Parse(outcome.out);
  EXPECT_EQ(parsed.fields().at("events").list_value().values_size(), 25);
  EXPECT_TRUE(parsed.fields().at("complete").bool_value());
}

TEST_F(EventsCommandTest, JsonThatBreaksOffIsStillADocumentAndSaysSo) {
  controller_.page_size = 10;
  controller_.failure = {grpc::StatusCode::ABORTED, "gone"};
  controller_.pages_before_failure = 1;
  const Outcome outcome = cli_.Run({"events", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  const auto parsed = Parse(outcome.out);
  EXPECT_EQ(parsed.fields().at("events").list_value().values_size(), 10);
  EXPECT_FALSE(parsed.fields().at("complete").bool_value());
  Parse(outcome.err);
}

TEST_F(EventsCommandTest, NoEventsAreADocumentToo) {
  controller_.events.clear();
  EXPECT_EQ(Parse(cli_.Run({"events", "-o", "json"}).out)
                .fields()
                .at("events")
                .list_value()
                .values_size(),
            0);
  const Outcome table = cli_.Run({"events"});
  EXPECT_EQ(table.code, ExitCode::kOk);
  EXPECT_EQ(table.out, "");
  EXPECT_THAT(table.err, HasSubstr("no events match"));
}

// The controller's clock decides: it stands at noon, whatever this host's says.
TEST_F(EventsCommandTest, SinceIsByTheControllersClock) {
  EXPECT_EQ(cli_.Run({"events", "--since", "10m", "-n", "3"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.events_request.since().seconds(), testing::kNoon - 600);
  EXPECT_EQ(controller_.events_request.newest(), 3);
}

TEST_F(EventsCommandTest, FiltersArePassedOn) {
  EXPECT_EQ(cli_.Run({"events", "--slot", "web-01/enc", "--kind", "verdict", "--filter",
                      "cause=heartbeat"})
                .code,
            ExitCode::kOk);
  EXPECT_EQ(controller_.events_request.filter(),
            "kind=verdict node=web-01 slot=enc cause=heartbeat");
}

TEST_F(EventsCommandTest, WhatHappensToProgramsHasItsOwnWords) {
  controller_.events.clear();
  for (int kind = v1::EVENT_KIND_PROGRAM_STARTED; kind <= v1::EVENT_KIND_OUTPUT_LOST; ++kind) {
    v1::Event* event = controller_.events.emplace_back().mutable_event();
    event->set_kind(static_cast<v1::EventKind>(kind));
    event->set_node("web-01");
    event->set_program("tor");
  }
  const Outcome outcome = cli_.Run({"events", "--program", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.events_request.filter(), "node=web-01 program=tor");
  for (const char* kind :
       {"program_started", "program_ready", "program_ended", "program_start_failed",
        "program_parked", "program_ordered", "program_leftovers", "run_skipped", "config_applied",
        "config_refused", "output_lost"}) {
    EXPECT_THAT(outcome.out, HasSubstr(std::string("web-01  ") + kind + " "));
  }
  EXPECT_THAT(outcome.out, HasSubstr("  tor   -    "));
}

}  // namespace
}  // namespace procctl::cli
