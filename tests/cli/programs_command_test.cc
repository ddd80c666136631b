#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

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

class ProgramsCommandTest : public ::testing::Test {
 protected:
  ProgramsCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kViewer, "bob")} {
    controller_.programs = {ProgramRow("web-01", "tor", v1::PROGRAM_STATE_RUNNING, 7),
                            ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_RUNNING, 8),
                            ProgramRow("web-01", "web@2", v1::PROGRAM_STATE_PARKED),
                            ProgramRow("web-02", "tor", v1::PROGRAM_STATE_RUNNING, 9)};
    controller_.applies_event_filters = true;
  }

  void Die(const std::string& program, int exit_code, const std::string& words = "") {
    v1::StoredEvent& stored = controller_.events.emplace_back();
    stored.set_position(static_cast<int64_t>(controller_.events.size()));
    v1::Event* event = stored.mutable_event();
    event->mutable_id()->set_origin("web-01");
    event->mutable_id()->set_epoch(1);
    event->mutable_id()->set_seq(stored.position());
    event->set_kind(v1::EVENT_KIND_PROGRAM_ENDED);
    event->set_node("web-01");
    event->set_program(program);
    event->mutable_death()->set_cause(v1::CAUSE_EXIT);
    event->mutable_death()->set_status_known(true);
    event->mutable_death()->set_exit_code(exit_code);
    event->mutable_death()->set_stderr_tail(words);
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

TEST_F(ProgramsCommandTest, ShowsAllOfThem) {
  for (const std::vector<std::string>& typed :
       std::vector<std::vector<std::string>>{{"programs"}, {"list", "programs"}}) {
    const Outcome outcome = cli_.Run(typed);
    EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("NODE    PROGRAM"),
                                   HasSubstr("4 programs: 3 running, 1 parked. As of")));
  }
  EXPECT_THAT(controller_.program_filters, ElementsAre("", ""));
}

TEST_F(ProgramsCommandTest, TakesAllPages) {
  controller_.page_size = 3;
  EXPECT_THAT(cli_.Run({"programs"}).out, HasSubstr("4 programs"));
  EXPECT_EQ(controller_.program_filters.size(), 2U);
}

TEST_F(ProgramsCommandTest, OnlyWhatIsNamed) {
  const Outcome outcome = cli_.Run({"programs", "web-01/web", "web-02"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web@1"), HasSubstr("web@2"), HasSubstr("web-02  tor"),
                                 Not(HasSubstr("web-01  tor"))));
}

TEST_F(ProgramsCommandTest, LabelsStatesAndFiltersArePassedOn) {
  EXPECT_EQ(cli_.Run({"programs", "-l", "app=web", "-l", "tier=*", "--state", "parked,backoff",
                      "--filter", "node!=web-03"})
                .code,
            ExitCode::kOk);
  EXPECT_EQ(cli_.Run({"programs", "web-01/web", "-l", "app=web"}).code, ExitCode::kOk);
  EXPECT_EQ(cli_.Run({"list", "programs", "-l", "app=web", "--node", "web-*"}).code, ExitCode::kOk);
  EXPECT_THAT(
      controller_.program_filters,
      ElementsAre("state=parked,backoff label=app=web label=tier=* node!=web-03",
                  "node=web-01 program=web,web@* label=app=web", "node=web-* label=app=web"));
}

TEST_F(ProgramsCommandTest, WhatIsNotThereIsSaid) {
  const Outcome outcome = cli_.Run({"programs", "web-01/none", "web-02"});
  EXPECT_EQ(outcome.code, ExitCode::kNothingMatched);
  EXPECT_THAT(outcome.out, HasSubstr("web-02  tor"));
  EXPECT_THAT(outcome.err, HasSubstr("no program is known of web-01/none;"));
  EXPECT_EQ(cli_.Run({"programs", "Web"}).code, ExitCode::kUsage);
}

TEST_F(ProgramsCommandTest, WideAndJson) {
  EXPECT_THAT(cli_.Run({"programs", "-o", "wide"}).out, HasSubstr("CGROUP"));
  const auto parsed = Parse(cli_.Run({"programs", "-o", "json"}).out);
  const auto& rows = parsed.fields().at("programs").list_value();
  ASSERT_EQ(rows.values_size(), 4);
  EXPECT_EQ(rows.values(0).struct_value().fields().at("id").string_value(), "b7e1f0c2:7:1007:7");
  EXPECT_EQ(rows.values(2).struct_value().fields().count("id"), 0U);
}

TEST_F(ProgramsCommandTest, AControllerThatCannotBeReached) {
  std::string address;
  {
    const FakeController gone(fleet_.Controller());
    address = gone.address();
  }
  cli_.controller = address;
  for (const std::vector<std::string>& typed :
       std::vector<std::vector<std::string>>{{"programs"},
                                             {"history", "web-01/tor"},
                                             {"logs", "web-01/tor"},
                                             {"stop", "web-01/tor"},
                                             {"reload", "web-01"}}) {
    const Outcome outcome = cli_.Run(typed);
    EXPECT_EQ(outcome.code, ExitCode::kUnreachable) << typed[0];
    EXPECT_THAT(outcome.err, HasSubstr("cannot reach the controller at " + address)) << typed[0];
  }
}

TEST_F(ProgramsCommandTest, HistoryIsTheNewestTwenty) {
  for (int i = 1; i <= 30; ++i) Die("tor", i);
  Die("web@1", 99);
  const Outcome outcome = cli_.Run({"history", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.events_request.newest(), 20);
  EXPECT_EQ(controller_.events_request.filter(),
            "node=web-01 program=tor,tor@* kind=program_ended,program_start_failed,program_parked");
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("exit 30 "), HasSubstr("exit 11 "),
                                 Not(HasSubstr("exit 10 ")), Not(HasSubstr("exit 99"))));
  EXPECT_LT(outcome.out.find("exit 11"), outcome.out.find("exit 30"));
  EXPECT_EQ(cli_.Run({"history", "web-01/tor", "--all"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.events_request.newest(), 1000);
  EXPECT_EQ(cli_.Run({"history", "web-01/tor", "-n", "3"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.events_request.newest(), 3);
}

TEST_F(ProgramsCommandTest, LastWordsOnlyWhereAskedFor) {
  Die("tor", 3, "cannot bind\n");
  EXPECT_THAT(cli_.Run({"history", "web-01/tor"}).out, Not(HasSubstr("cannot bind")));
  EXPECT_THAT(cli_.Run({"history", "web-01/tor", "--stderr"}).out, HasSubstr("    cannot bind\n"));
  const auto json = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"history", "web-01/tor", "-o", "json"});
    const auto parsed = Parse(cli_.Run(more).out);
    const auto& death = parsed.fields().at("deaths").list_value().values(0).struct_value();
    EXPECT_EQ(death.fields().at("id").string_value(), "web-01:1:1");
    return death.fields()
        .at("event")
        .struct_value()
        .fields()
        .at("death")
        .struct_value()
        .fields()
        .at("stderrTail")
        .string_value();
  };
  EXPECT_EQ(json({}), "");
  EXPECT_EQ(json({"--stderr"}), "cannot bind\n");
}

TEST_F(ProgramsCommandTest, AHistoryWithoutDeaths) {
  const Outcome quiet = cli_.Run({"history", "web-01/tor"});
  EXPECT_EQ(quiet.code, ExitCode::kOk);
  EXPECT_EQ(quiet.out, "");
  EXPECT_THAT(quiet.err, HasSubstr("no end of web-01/tor is recorded"));
  EXPECT_EQ(Parse(cli_.Run({"history", "web-01/tor", "-o", "json"}).out)
                .fields()
                .at("deaths")
                .list_value()
                .values_size(),
            0);
  const Outcome nobody = cli_.Run({"history", "web-01/none"});
  EXPECT_EQ(nobody.code, ExitCode::kNothingMatched);
  EXPECT_THAT(nobody.err, HasSubstr("there is no program web-01/none"));
  EXPECT_EQ(cli_.Run({"history", "tor"}).code, ExitCode::kUsage);
}

}  // namespace
}  // namespace procctl::cli
