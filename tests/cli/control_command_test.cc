#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "cli/target.h"
#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Cli;
using testing::FailedAgain;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using testing::Outcome;
using testing::ProgramRow;
using testing::Restarted;
using testing::TakeAll;

class ControlCommandTest : public ::testing::Test {
 protected:
  ControlCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {
    controller_.programs = {ProgramRow("web-01", "tor", v1::PROGRAM_STATE_RUNNING, 7),
                            ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_RUNNING, 8),
                            ProgramRow("web-01", "web@2", v1::PROGRAM_STATE_RUNNING, 9)};
    for (const char* id : {"web-01", "web-02"}) {
      v1::Node& node = controller_.nodes.emplace_back();
      node.set_id(id);
      node.set_state(v1::NODE_STATE_CONNECTED);
    }
    OnOrder([](v1::FleetProgram* row) { Restarted(1000, row); });
  }

  v1::FleetProgram* Find(const v1::ProgramTarget& target) {
    for (v1::FleetProgram& row : controller_.programs) {
      if (row.node() == target.node() && row.program().label() == target.program()) return &row;
    }
    return nullptr;
  }

  // Every order is taken, and shows in the rows only when they are looked at once more.
  void OnOrder(std::function<void(v1::FleetProgram*)> change) {
    controller_.on_control = [this, change = std::move(change)](const auto& request,
                                                                auto* response) {
      TakeAll(request, response);
      controller_.on_list_programs = [this, change, request, looks = 0]() mutable {
        if (++looks != 2) return;
        for (const v1::ProgramTarget& target : request.targets()) {
          if (v1::FleetProgram* row = Find(target); row != nullptr) change(row);
        }
      };
      return grpc::Status::OK;
    };
  }

  // Instead: one outcome that says no.
  void Refuse(v1::Verdict verdict, v1::Refusal refusal, const std::string& message) {
    controller_.on_control = [=](const v1::ControlProgramsRequest& request,
                                 v1::ControlProgramsResponse* response) {
      TakeAll(request, response);
      v1::ProgramOutcome* outcome = response->mutable_outcomes(0);
      outcome->set_done(false);
      outcome->set_verdict(verdict);
      outcome->set_refusal(refusal);
      outcome->set_message(message);
      return grpc::Status::OK;
    };
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

TEST_F(ControlCommandTest, RestartsTheVeryLifeThatIsShownAndWaitsForTheNext) {
  const Outcome outcome = cli_.Run({"restart", "web-01/tor", "--reason", "new release"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, MatchesRegex("web-01/tor\\[7\\]  restart ordered\n"
                                        "web-01/tor  running, pid 1000, after [0-9.ms]+\n"));
  ASSERT_EQ(controller_.orders.size(), 1U);
  const v1::ControlProgramsRequest& order = controller_.orders[0];
  EXPECT_EQ(order.action(), v1::PROGRAM_ACTION_RESTART);
  EXPECT_EQ(order.reason(), "new release");
  EXPECT_THAT(order.request_id(), MatchesRegex("[0-9a-f-]{36}"));
  ASSERT_EQ(order.targets_size(), 1);
  EXPECT_EQ(order.targets(0).program(), "tor");
  EXPECT_EQ(IncarnationText(order.targets(0).incarnation()), "b7e1f0c2:7:1007:7");
}

TEST_F(ControlCommandTest, StopStartAndRetry) {
  OnOrder([](v1::FleetProgram* row) {
    *row = ProgramRow(row->node(), row->program().label(), v1::PROGRAM_STATE_STOPPED);
  });
  const Outcome stop = cli_.Run({"stop", "web-01/tor"});
  EXPECT_EQ(stop.code, ExitCode::kOk) << stop.err;
  EXPECT_THAT(stop.out, HasSubstr("web-01/tor  stopped, after "));
  EXPECT_TRUE(controller_.orders.back().targets(0).has_incarnation());
  OnOrder([](v1::FleetProgram* row) { Restarted(11, row); });
  const Outcome start = cli_.Run({"start", "web-01/tor"});
  EXPECT_EQ(start.code, ExitCode::kOk) << start.err;
  EXPECT_THAT(start.out, AllOf(HasSubstr("web-01/tor  start ordered\n"), HasSubstr("pid 11,")));
  EXPECT_FALSE(controller_.orders.back().targets(0).has_incarnation());
  controller_.programs[0] = ProgramRow("web-01", "tor", v1::PROGRAM_STATE_PARKED);
  OnOrder([](v1::FleetProgram* row) { Restarted(12, row); });
  const Outcome retry = cli_.Run({"retry", "web-01/tor"});
  EXPECT_EQ(retry.code, ExitCode::kOk) << retry.err;
  EXPECT_EQ(controller_.orders.back().action(), v1::PROGRAM_ACTION_RETRY);
}

TEST_F(ControlCommandTest, WhatFailsInsteadIsTold) {
  OnOrder([](v1::FleetProgram* row) {
    FailedAgain(v1::PROGRAM_STATE_BACKOFF, row);
    row->mutable_program()->mutable_next_start()->set_seconds(testing::kNoon + 4);
  });
  const Outcome outcome = cli_.Run({"restart", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.out,
              HasSubstr("web-01/tor  failed: backoff, started in 4s; last end: exit 3\n"));
}

TEST_F(ControlCommandTest, WhatDoesNotComeAboutInTime) {
  OnOrder([](v1::FleetProgram*) {});
  const Outcome outcome = cli_.Run({"stop", "web-01/tor", "--wait-timeout", "300ms"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.out, HasSubstr("web-01/tor  not stopped after 0.3s: running, pid 7\n"));
  controller_.on_control = [this](const auto& request, auto* response) {
    TakeAll(request, response);
    controller_.programs[0].set_node_state(v1::NODE_STATE_LOST);
    return grpc::Status::OK;
  };
  const Outcome lost = cli_.Run({"stop", "web-01/tor", "--wait-timeout", "300ms"});
  EXPECT_EQ(lost.code, ExitCode::kUnreachable);
  EXPECT_THAT(lost.out, HasSubstr("its node cannot be heard"));
}

TEST_F(ControlCommandTest, WithoutWaiting) {
  OnOrder([](v1::FleetProgram*) {});
  const Outcome outcome = cli_.Run({"stop", "web-01/tor", "--no-wait"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "web-01/tor[7]  stop ordered\n");
  EXPECT_THAT(outcome.err, HasSubstr("not waiting"));
}

TEST_F(ControlCommandTest, ANameMeansAllItsInstancesAndNeedsAYes) {
  const Outcome nobody = cli_.Run({"restart", "web-01/web"});
  EXPECT_EQ(nobody.code, ExitCode::kDeclined);
  EXPECT_THAT(nobody.err, AllOf(HasSubstr("2 targets need a confirmation"),
                                HasSubstr("nothing was restarted"), HasSubstr("--yes")));
  cli_.answer = false;
  const Outcome declined = cli_.Run({"restart", "web-01/web"});
  EXPECT_EQ(declined.code, ExitCode::kDeclined);
  EXPECT_EQ(cli_.question, "\nRestart these 2? [y/N] ");
  EXPECT_THAT(declined.out, AllOf(HasSubstr("web@1"), HasSubstr("web@2"), Not(HasSubstr("tor"))));
  EXPECT_TRUE(controller_.orders.empty());
  cli_.answer = true;
  const Outcome agreed = cli_.Run({"restart", "web-01/web"});
  EXPECT_EQ(agreed.code, ExitCode::kOk) << agreed.err;
  EXPECT_THAT(agreed.out, HasSubstr("\n2 running, 0 failed.\n"));
  ASSERT_EQ(controller_.orders.size(), 1U);
  EXPECT_EQ(controller_.orders[0].targets_size(), 2);
}

TEST_F(ControlCommandTest, TheOneInstanceThereIsNeedsNone) {
  controller_.programs.pop_back();
  EXPECT_EQ(cli_.Run({"restart", "web-01/web"}).code, ExitCode::kOk);
  EXPECT_EQ(controller_.orders[0].targets(0).program(), "web@1");
}

TEST_F(ControlCommandTest, ByLabel) {
  const Outcome outcome = cli_.Run({"restart", "-l", "app=web", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(controller_.program_filters[0], "label=app=web");
  EXPECT_EQ(controller_.orders[0].targets_size(), 3);
}

TEST_F(ControlCommandTest, WhatMatchesNothingChangesNothing) {
  const Outcome name = cli_.Run({"stop", "web-01/none", "web-01/tor", "--yes"});
  EXPECT_EQ(name.code, ExitCode::kNothingMatched);
  EXPECT_THAT(name.err, HasSubstr("there is no program web-01/none; nothing was stopped."));
  controller_.programs.clear();
  const Outcome label = cli_.Run({"stop", "-l", "app=none", "--yes"});
  EXPECT_EQ(label.code, ExitCode::kNothingMatched);
  EXPECT_THAT(label.err, HasSubstr("no program matches \"label=app=none\"; nothing was stopped"));
  const Outcome bare = cli_.Run({"stop", "tor"});
  EXPECT_EQ(bare.code, ExitCode::kUsage);
  EXPECT_THAT(bare.err, HasSubstr("a node and a program are needed"));
  EXPECT_TRUE(controller_.orders.empty());
}

TEST_F(ControlCommandTest, OutcomesThatSayNo) {
  const struct {
    v1::Verdict verdict;
    v1::Refusal refusal;
    ExitCode code;
  } cases[] = {{v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED, ExitCode::kNotTheSame},
               {v1::VERDICT_EXPIRED, v1::REFUSAL_UNSPECIFIED, ExitCode::kUnreachable},
               {v1::VERDICT_UNSPECIFIED, v1::REFUSAL_UNSPECIFIED, ExitCode::kUnreachable},
               {v1::VERDICT_HELD, v1::REFUSAL_UNSPECIFIED, ExitCode::kFailed},
               {v1::VERDICT_REFUSED, v1::REFUSAL_NODE_UNREACHABLE, ExitCode::kUnreachable},
               {v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED, ExitCode::kFailed}};
  for (const auto& c : cases) {
    Refuse(c.verdict, c.refusal, "because");
    const Outcome outcome = cli_.Run({"restart", "web-01/tor"});
    EXPECT_EQ(outcome.code, c.code) << c.verdict;
    EXPECT_THAT(outcome.out, HasSubstr("web-01/tor[7]  no restart: "));
  }
}

TEST_F(ControlCommandTest, SomeOrderedAndSomeNotIsPartly) {
  Refuse(v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED, "no");
  const Outcome outcome = cli_.Run({"start", "web-01/web", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kPartly);
  EXPECT_THAT(outcome.out, HasSubstr("\n1 running, 1 failed.\n"));
}

TEST_F(ControlCommandTest, ACallThatFailsSaysWhere) {
  controller_.on_control = [](const auto&, auto*) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "viewers may not");
  };
  EXPECT_EQ(cli_.Run({"stop", "web-01/tor"}).code, ExitCode::kNotAllowed);
  controller_.on_control = [](const auto&, auto*) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  const Outcome outcome = cli_.Run({"stop", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.err, HasSubstr("Whether it came about is not known"));
  controller_.on_control = [](const auto&, auto*) { return grpc::Status::OK; };
  EXPECT_THAT(cli_.Run({"stop", "web-01/tor"}).err, HasSubstr("0 of 1 targets"));
}

TEST_F(ControlCommandTest, CtrlCStopsWaitingNotTheOrder) {
  std::stop_source stop;
  stop.request_stop();
  cli_.detach = stop.get_token();
  OnOrder([](v1::FleetProgram*) {});
  const Outcome outcome = cli_.Run({"stop", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kInterrupted);
  EXPECT_THAT(outcome.err, HasSubstr("the order stands"));
  EXPECT_EQ(controller_.orders.size(), 1U);
}

TEST_F(ControlCommandTest, AControllerThatGoesAwayWhileItIsWaitedFor) {
  controller_.on_control = [this](const auto& request, auto* response) {
    TakeAll(request, response);
    controller_.program_failure = {grpc::StatusCode::UNAVAILABLE, "going down"};
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"stop", "web-01/tor", "--wait-timeout", "300ms"});
  EXPECT_EQ(outcome.code, ExitCode::kUnreachable);
  EXPECT_THAT(outcome.out, HasSubstr("stop ordered"));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("going down"), HasSubstr("The order stands")));
}

// It is asked again, because a restart of the controller is no failure of a program.
TEST_F(ControlCommandTest, AControllerThatComesBackInTime) {
  controller_.on_control = [this](const auto& request, auto* response) {
    TakeAll(request, response);
    controller_.program_failure = {grpc::StatusCode::UNAVAILABLE, "going down"};
    controller_.on_list_programs = [this, looks = 0]() mutable {
      if (++looks < 3) return;
      controller_.program_failure = grpc::Status::OK;
      Restarted(1000, controller_.programs.data());
    };
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"restart", "web-01/tor"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("running, pid 1000"));
}

TEST_F(ControlCommandTest, Json) {
  const Outcome outcome = cli_.Run({"restart", "web-01/tor", "-o", "json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  const auto parsed = Parse(outcome.out);
  EXPECT_EQ(parsed.fields().at("action").string_value(), "restart");
  const auto& target = parsed.fields().at("targets").list_value().values(0).struct_value();
  EXPECT_EQ(target.fields().at("result").string_value(), "running");
  EXPECT_TRUE(target.fields().at("outcome").struct_value().fields().at("done").bool_value());
  EXPECT_EQ(target.fields().at("target").struct_value().fields().at("id").string_value(),
            "b7e1f0c2:7:1007:7");
  OnOrder([](v1::FleetProgram*) {});
  const auto ordered = Parse(cli_.Run({"stop", "web-01/tor", "--no-wait", "-o", "json"}).out);
  EXPECT_EQ(ordered.fields()
                .at("targets")
                .list_value()
                .values(0)
                .struct_value()
                .fields()
                .at("result")
                .string_value(),
            "ordered");
}

TEST_F(ControlCommandTest, Reload) {
  controller_.on_control = [](const auto& request, auto* response) {
    TakeAll(request, response);
    response->mutable_outcomes(0)->set_message("1 program restarted");
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"reload", "web-01", "--reason", "limits"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(outcome.out, "web-01  reloaded: 1 program restarted\n");
  ASSERT_EQ(controller_.orders.size(), 1U);
  EXPECT_EQ(controller_.orders[0].action(), v1::PROGRAM_ACTION_RELOAD);
  EXPECT_EQ(controller_.orders[0].targets(0).node(), "web-01");
  EXPECT_EQ(controller_.orders[0].targets(0).program(), "");
  EXPECT_EQ(cli_.Run({"reload", "web-01", "web-02"}).code, ExitCode::kDeclined);
  EXPECT_EQ(cli_.Run({"reload", "web-01", "web-02", "--yes"}).code, ExitCode::kOk);
  const auto parsed = Parse(cli_.Run({"reload", "web-01", "-o", "json"}).out);
  EXPECT_EQ(parsed.fields().at("targets").list_value().values_size(), 1);
}

TEST_F(ControlCommandTest, AReloadThatIsRefusedOrHasNoNode) {
  Refuse(v1::VERDICT_REFUSED, v1::REFUSAL_UNSPECIFIED, "line 3: unknown key \"nmae\"");
  const Outcome refused = cli_.Run({"reload", "web-01"});
  EXPECT_EQ(refused.code, ExitCode::kFailed);
  EXPECT_THAT(refused.out, HasSubstr("line 3: unknown key"));
  const Outcome nobody = cli_.Run({"reload", "web-09"});
  EXPECT_EQ(nobody.code, ExitCode::kNothingMatched);
  EXPECT_THAT(nobody.err, HasSubstr("no node web-09 was ever seen; nothing was reloaded"));
  EXPECT_EQ(cli_.Run({"reload", "web-01/tor"}).code, ExitCode::kUsage);
}

}  // namespace
}  // namespace procctl::cli
