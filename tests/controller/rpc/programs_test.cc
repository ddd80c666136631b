// ListPrograms and ReadOutput against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "controller/rpc/detail_desk.h"
#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Program MakeProgram(const std::string& label,
                        v1::ProgramState state = v1::PROGRAM_STATE_RUNNING) {
  v1::Program program;
  program.set_label(label);
  program.set_name(label.substr(0, label.find('@')));
  program.set_state(state);
  program.add_labels("app=" + program.name());
  program.set_message("ready");
  return program;
}

class ProgramsTest : public ServerTest {
 protected:
  static bool SendPrograms(FakeNode* node, const std::vector<v1::Program>& programs) {
    v1::SessionRequest request;
    v1::SnapshotChunk* chunk = request.mutable_snapshot_chunk();
    chunk->set_snapshot(1);
    chunk->set_revision(1);
    chunk->set_last(true);
    for (const v1::Program& program : programs) *chunk->add_programs() = program;
    return node->Send(request);
  }
  // Returns when what the node sent before is in the view.
  static bool Arrived(FakeNode* node, std::int64_t seq) {
    return node->SendEvents({node->MakeEvent(5, seq)}) && node->AwaitAck(5, seq);
  }
  // "node/label STATE", page after page.
  std::vector<std::string> List(const std::string& filter = "", int page_size = 0) {
    v1::ListProgramsRequest request;
    request.set_filter(filter);
    request.set_page_size(page_size);
    const auto caller = Caller(Role::kViewer);
    std::vector<std::string> all;
    for (;;) {
      v1::ListProgramsResponse response;
      Call call;
      const grpc::Status status = caller->ListPrograms(&call, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_TRUE(response.has_as_of() || !status.ok());
      for (const v1::FleetProgram& row : response.programs()) {
        all.push_back(row.node() + "/" + row.program().label() + " " +
                      v1::ProgramState_Name(row.program().state()).substr(14));
      }
      if (response.next_page_token().empty()) return all;
      request.set_page_token(response.next_page_token());
    }
  }
};

TEST_F(ProgramsTest, RowsOfAllNodesAreListedAsTheirNodesSentThem) {
  auto a = Node("web-01");
  auto b = Node("web-02");
  ASSERT_TRUE(a->Connect());
  ASSERT_TRUE(b->Connect());
  ASSERT_TRUE(SendPrograms(b.get(), {MakeProgram("db")}));
  ASSERT_TRUE(SendPrograms(a.get(), {MakeProgram("web@2"), MakeProgram("web@1")}));
  ASSERT_TRUE(Arrived(a.get(), 1));
  ASSERT_TRUE(Arrived(b.get(), 1));
  EXPECT_THAT(List(),
              ElementsAre("web-01/web@1 RUNNING", "web-01/web@2 RUNNING", "web-02/db RUNNING"));
  EXPECT_THAT(List("label=app=web node=web-01 program!=web@1"),
              ElementsAre("web-01/web@2 RUNNING"));
  v1::ListProgramsResponse response;
  Call call;
  v1::ListProgramsRequest request;
  request.set_filter("name=db");
  ASSERT_TRUE(Caller(Role::kViewer)->ListPrograms(&call, request, &response).ok());
  ASSERT_EQ(response.programs_size(), 1);
  EXPECT_EQ(response.programs(0).node_state(), v1::NODE_STATE_CONNECTED);
  EXPECT_TRUE(response.programs(0).has_age());
  EXPECT_EQ(response.programs(0).program().SerializeAsString(),
            MakeProgram("db").SerializeAsString());
}

TEST_F(ProgramsTest, ADeltaChangesRowsAndAGapAsksForASnapshot) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(SendPrograms(node.get(), {MakeProgram("job"), MakeProgram("web")}));
  v1::SessionRequest request;
  v1::SlotDelta* delta = request.mutable_delta();
  delta->set_from_revision(1);
  delta->set_to_revision(2);
  *delta->add_program_upserts() = MakeProgram("web", v1::PROGRAM_STATE_PARKED);
  delta->add_program_removes("job");
  ASSERT_TRUE(node->Send(request));
  ASSERT_TRUE(Arrived(node.get(), 1));
  EXPECT_THAT(List(), ElementsAre("web-01/web PARKED"));
  EXPECT_THAT(List("state=running"), IsEmpty());
  ASSERT_TRUE(node->Send(request)) << "again, from a revision that is not held any more";
  EXPECT_TRUE(node->Receive().has_resync());
}

TEST_F(ProgramsTest, AThousandProgramsComeInPagesThatTogetherAreAll) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::vector<v1::Program> programs;
  std::vector<std::string> expected;
  for (int i = 1000; i < 2000; ++i) {
    programs.push_back(MakeProgram("job@" + std::to_string(i)));
    expected.push_back("web-01/job@" + std::to_string(i) + " RUNNING");
  }
  ASSERT_TRUE(SendPrograms(node.get(), programs));
  ASSERT_TRUE(Arrived(node.get(), 1));
  EXPECT_EQ(List("", 300), expected);
  EXPECT_EQ(List("", 5000), expected);
}

TEST_F(ProgramsTest, LargeRowsMakeSmallPages) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::vector<v1::Program> programs;
  for (int i = 0; i < 60; ++i) {
    programs.push_back(MakeProgram("job@" + std::to_string(i)));
    programs.back().set_message(std::string(60'000, 'm'));
  }
  ASSERT_TRUE(SendPrograms(node.get(), programs));
  ASSERT_TRUE(Arrived(node.get(), 1));
  v1::ListProgramsResponse response;
  Call call;
  ASSERT_TRUE(Caller(Role::kViewer)->ListPrograms(&call, {}, &response).ok());
  EXPECT_LT(response.programs_size(), 60);
  EXPECT_EQ(List().size(), 60U);
}

TEST_F(ProgramsTest, AWrongFilterOrTokenIsToldWhatIsRight) {
  v1::ListProgramsRequest request;
  v1::ListProgramsResponse response;
  request.set_filter("state=alive");
  Call call;
  grpc::Status status = Caller(Role::kViewer)->ListPrograms(&call, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("parked"));
  request.set_filter("");
  request.set_page_token("bm9uZQ");
  Call second;
  status = Caller(Role::kViewer)->ListPrograms(&second, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// ---- ReadOutput

class ReadOutputTest : public ServerTest {
 protected:
  struct Reading {
    v1::ReadOutputResponse response;
    grpc::Status status;
  };
  // Five seconds are all that an answer has, so no handshake may come between two calls of a test.
  void SetUp() override {
    ServerTest::SetUp();
    operator_ = Caller(Role::kOperator);
  }
  static v1::ReadOutputRequest Request() {
    v1::ReadOutputRequest request;
    request.set_node("web-01");
    request.mutable_read()->set_program("web@1");
    request.mutable_read()->set_stderr(true);
    request.mutable_read()->set_tail_lines(10);
    *request.mutable_read()->mutable_wait() = ToProto(seconds(3));
    return request;
  }
  Reading Read(const v1::ReadOutputRequest& request) { return Read(operator_.get(), request); }
  static Reading Read(v1::FleetService::Stub* caller, const v1::ReadOutputRequest& request) {
    Reading reading;
    Call call;
    reading.status = caller->ReadOutput(&call, request, &reading.response);
    return reading;
  }
  // Takes the next question and answers it with that; its number is filled in.
  static v1::DetailRequest Answer(FakeNode* node, v1::DetailReply reply) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_detail());
    reply.set_request(response.detail().request());
    EXPECT_TRUE(node->SendDetail(reply));
    return response.detail();
  }

  std::unique_ptr<v1::FleetService::Stub> operator_;
};

TEST_F(ReadOutputTest, TheNodeIsAskedAndItsChunkIsTheAnswer) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::DetailReply reply;
  std::string data(32 * 1024, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31);
  reply.mutable_output()->set_data(data);
  reply.mutable_output()->set_cursor("stderr:32768");
  reply.mutable_output()->set_lost(true);
  v1::DetailRequest asked;
  std::thread guardian([&] { asked = Answer(node.get(), reply); });
  const Reading reading = Read(Request());
  guardian.join();
  ASSERT_TRUE(reading.status.ok()) << reading.status.error_message();
  EXPECT_EQ(asked.output().program(), "web@1");
  EXPECT_TRUE(asked.output().stderr());
  EXPECT_EQ(asked.output().tail_lines(), 10);
  EXPECT_EQ(FromProto(asked.output().wait()), seconds(3));
  EXPECT_EQ(reading.response.chunk().data(), data);
  EXPECT_EQ(reading.response.chunk().cursor(), "stderr:32768");
  EXPECT_TRUE(reading.response.chunk().lost());
}

TEST_F(ReadOutputTest, AnAnswerOfAnotherKindIsNone) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::DetailReply reply;
  (void)reply.mutable_node();
  std::thread guardian([&] { Answer(node.get(), reply); });
  const Reading reading = Read(Request());
  guardian.join();
  EXPECT_EQ(reading.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(reading.status.error_message(), HasSubstr("keeps no program web@1"));
}

TEST_F(ReadOutputTest, ANodeThatWasNeverSeenOrKnowsNoProgramsIsSaidToBe) {
  Reading reading = Read(Request());
  EXPECT_EQ(reading.status.error_code(), grpc::StatusCode::NOT_FOUND);
  auto node = Node("web-01");
  node->set_features({"holds", "details"});
  ASSERT_TRUE(node->Connect());
  // Its events are taken only when the session speaks for the node.
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  reading = Read(Request());
  EXPECT_EQ(reading.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(reading.status.error_message(), HasSubstr("update procctl there"));
}

// With a node that knows programs: until gRPC is done with an ended session, another would still be
// told to update, which is as true.
TEST_F(ReadOutputTest, ANodeThatIsGoneCannotBeHeard) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->End().ok());
  const Reading reading = Read(Request());
  EXPECT_EQ(reading.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(reading.status.error_message(), HasSubstr("cannot be heard"));
}

TEST_F(ReadOutputTest, ASessionThatEndsAnswersWhoeverWaits) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::thread guardian([&] {
    EXPECT_TRUE(node->Receive().has_detail());
    node->Cancel();
  });
  const Reading reading = Read(Request());
  guardian.join();
  EXPECT_EQ(reading.status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ReadOutputTest, WhoWaitsForOutputShutsOutNobodyWhoAsksForDetails) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::vector<std::thread> readers;
  std::atomic<int> answered = 0;
  for (size_t i = 0; i < DetailDesk::kMostOfNode; ++i) {
    readers.emplace_back([&] { answered += Read(Request()).status.ok() ? 1 : 0; });
  }
  std::vector<v1::DetailRequest> questions;
  for (size_t i = 0; i < DetailDesk::kMostOfNode; ++i) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_detail());
    questions.push_back(response.detail());
  }
  const Reading one_more = Read(Request());
  EXPECT_EQ(one_more.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  std::thread guardian([&] {
    v1::DetailReply reply;
    (void)reply.mutable_node();
    Answer(node.get(), reply);
  });
  v1::DescribeRequest describe;
  describe.set_node("web-01");
  v1::DescribeResponse response;
  Call call;
  const grpc::Status status = operator_->Describe(&call, describe, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  guardian.join();
  for (const v1::DetailRequest& question : questions) {
    v1::DetailReply reply;
    reply.set_request(question.request());
    reply.mutable_output()->set_data("line\n");
    EXPECT_TRUE(node->SendDetail(reply));
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(answered, static_cast<int>(DetailDesk::kMostOfNode));
}

TEST_F(ReadOutputTest, AMalformedRequestIsToldWhatIsWrong) {
  const auto says = [&](const v1::ReadOutputRequest& request, const std::string& words) {
    const Reading reading = Read(request);
    EXPECT_EQ(reading.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(reading.status.error_message(), HasSubstr(words));
  };
  v1::ReadOutputRequest request = Request();
  request.clear_node();
  says(request, "node");
  request = Request();
  request.mutable_read()->clear_program();
  says(request, "read.program");
  request = Request();
  request.mutable_read()->set_cursor(std::string(1025, 'c'));
  says(request, "read.cursor");
  request = Request();
  request.mutable_read()->set_tail_lines(-1);
  says(request, "tail_lines");
  request = Request();
  request.mutable_read()->mutable_wait()->set_nanos(1);
  says(request, "read.wait");
  request.mutable_read()->mutable_wait()->set_seconds(-1);
  says(request, "read.wait");
}

TEST_F(ReadOutputTest, AViewerMayNot) {
  const auto viewer = Caller(Role::kViewer);
  EXPECT_EQ(Read(viewer.get(), Request()).status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ProgramsTest, WhatProgramsUseIsAskedForThoseThatRun) {
  v1::Program web = MakeProgram("web");
  web.mutable_incarnation()->set_generation(7);
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(SendPrograms(node.get(), {MakeProgram("db", v1::PROGRAM_STATE_STOPPED), web}));
  ASSERT_TRUE(Arrived(node.get(), 1));
  std::thread guardian([&] {
    const v1::DetailRequest question = node->Receive().detail();
    EXPECT_THAT(question.usage().generations(), ElementsAre(7));
    v1::DetailReply reply;
    reply.set_request(question.request());
    v1::UsageAnswer::Row* row = reply.mutable_usage()->add_rows();
    row->set_generation(7);
    row->mutable_usage()->set_resident(4096);
    EXPECT_TRUE(node->SendDetail(reply));
  });
  v1::ListProgramsRequest request;
  request.set_with_usage(true);
  v1::ListProgramsResponse response;
  Call call;
  const grpc::Status status = Caller(Role::kViewer)->ListPrograms(&call, request, &response);
  guardian.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.programs_size(), 2);
  EXPECT_FALSE(response.programs(0).has_usage());
  EXPECT_EQ(response.programs(1).usage().resident(), 4096);
}

}  // namespace
}  // namespace procctl::controller
