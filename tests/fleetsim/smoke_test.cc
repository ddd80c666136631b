// A simulated fleet and the real controller: all of it small, nothing of it timed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>

#include <filesystem>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "spdlog/fmt/fmt.h"
#include "tests/e2e/harness/wait.h"
#include "tests/fleetsim/bench/bench_fleet.h"
#include "tests/fleetsim/bench/wire_list.h"

namespace procctl::fleetsim {
namespace {

using bench::BenchFleet;
using bench::Numbers;
using bench::Simulator;
using e2e::Await;
using e2e::Eventually;
using std::chrono_literals::operator""s;
using ::testing::HasSubstr;

class FleetSimTest : public ::testing::Test {
 protected:
  std::string Journal() const { return fleet_.folder() + "/sim.journal"; }

  std::unique_ptr<Simulator> Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--journal", Journal(), "--spread", "0.5"});
    return fleet_.StartSimulator("sim", std::move(arguments));
  }

  void AwaitStorms(Simulator* sim, std::size_t count) {
    Await(
        120s, fmt::format("storm {} over", count),
        [&] { return sim->Lines("storm").size() >= count || !sim->Running(); },
        [&] { return sim->Errors() + fleet_.ControllerLog(); });
    ASSERT_TRUE(sim->Running()) << sim->Errors();
  }

  std::unique_ptr<v1::FleetService::Stub> Caller() {
    return v1::FleetService::NewStub(
        MakeChannel(fleet_.address(), "127.0.0.1", fleet_.operator_tls()));
  }

  v1::ListSlotsResponse Slots(const std::string& filter) {
    v1::ListSlotsRequest request;
    request.set_filter(filter);
    v1::ListSlotsResponse response;
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    const grpc::Status status = Caller()->ListSlots(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // Of the database itself.
  e2e::Finished Check(const std::string& database) {
    e2e::Launch launch;
    launch.argv = {bench::Program("history_check"), database, Journal()};
    return e2e::RunToEnd(std::move(launch), 60s);
  }

  BenchFleet fleet_;
};

// As the controller's own shutdown leaves it: one file.
std::string CopyWithout(const std::string& database, const std::string& sql) {
  const std::string copy = database + ".copy";
  std::filesystem::copy_file(database, copy, std::filesystem::copy_options::overwrite_existing);
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(copy.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  EXPECT_EQ(sqlite3_changes(db), 1);
  sqlite3_close(db);
  return copy;
}

TEST_F(FleetSimTest, AFleetWithAllKindsOfNodesLeavesAWholeHistory) {
  fleet_.StartController();
  const auto sim = Start({"--nodes", "50", "--slots", "20", "--programs", "2", "--churn", "100",
                          "--events", "400", "--slow", "2", "--stopped", "2", "--hostile", "3"});
  AwaitStorms(sim.get(), 1);
  // Rows follow the Welcome.
  Await(60s, "all rows", [&] { return Slots("").summary().slots() >= 54 * 20; });
  EXPECT_EQ(Slots("node=sim-00007").slots_size(), 20);

  fleet_.KillController();
  fleet_.StartController();
  AwaitStorms(sim.get(), 2);
  // Everybody has something acknowledged by this controller too.
  const double acked = sim->Latest()["t"];
  Await(60s, "a few seconds of it", [&] { return sim->Latest()["t"] > acked + 3; });

  const Numbers end = sim->End();
  EXPECT_EQ(end.at("all_connected"), 1);
  EXPECT_GT(end.at("events_acked"), 0);
  EXPECT_GT(end.at("deltas"), 0);
  EXPECT_GT(end.at("hostile_sessions"), 0);
  fleet_.controller().Signal(SIGTERM);
  EXPECT_TRUE(fleet_.controller().WaitExit(30s).has_value());
  const e2e::Finished checked = Check(fleet_.database());
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("no fault"));

  // What it is there for: a history that lacks one acknowledged event is found.
  const e2e::Finished planted = Check(
      CopyWithout(fleet_.database(), "DELETE FROM events WHERE origin = 'sim-00003' AND seq = 2"));
  EXPECT_EQ(planted.exit_code, 1) << planted.out << planted.err;
  EXPECT_THAT(planted.out, HasSubstr("/2 is missing, and no record says so"));
}

TEST_F(FleetSimTest, AKillIsAnsweredOnceAndARepeatChangesNothing) {
  fleet_.StartController();
  const auto sim = Start({"--nodes", "3", "--slots", "5", "--kill-latency"});
  AwaitStorms(sim.get(), 1);
  Await(60s, "all rows", [&] { return Slots("").slots_size() == 15; });
  const v1::FleetSlot row = Slots("node=sim-00002").slots(1);
  v1::KillSlotsRequest request;
  request.set_request_id("smoke");
  v1::KillTarget* const target = request.add_targets();
  target->set_node(row.node());
  target->set_slot(row.slot().label());
  *target->mutable_incarnation() = row.slot().incarnation();
  for (int round = 0; round < 2; ++round) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    const auto caller = Caller();
    const auto stream = caller->KillSlots(&context, request);
    v1::KillSlotsResponse response;
    v1::KillSummary summary;
    while (stream->Read(&response)) {
      if (response.has_summary()) summary = response.summary();
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(summary.stopped(), 1) << "round " << round;
  }
  // Another life of the slot is there, and only that.
  Await(30s, "the next life", [&] {
    const v1::ListSlotsResponse slots = Slots("node=sim-00002");
    return slots.slots_size() == 5 && slots.slots(1).slot().incarnation().generation() !=
                                          row.slot().incarnation().generation();
  });
  EXPECT_EQ(sim->End().at("orders"), 1);
  const e2e::Finished checked = Check(fleet_.database());
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST_F(FleetSimTest, APartitionThatResetsEndsWithEverybodyBack) {
  fleet_.StartController();
  const auto sim =
      Start({"--nodes", "20", "--slots", "5", "--events", "100", "--partition", "1,2,0.5,reset"});
  AwaitStorms(sim.get(), 1);
  AwaitStorms(sim.get(), 2);
  EXPECT_EQ(sim->Lines("storm").back().at("fewest"), 10);
  EXPECT_EQ(sim->End().at("all_connected"), 1);
  const e2e::Finished checked = Check(fleet_.database());
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST_F(FleetSimTest, BytesThatAreHeldUpArriveWhenTheNetworkIsBack) {
  fleet_.StartController();
  const auto sim =
      Start({"--nodes", "10", "--slots", "5", "--events", "100", "--partition", "1,3,1,drop"});
  AwaitStorms(sim.get(), 1);
  // Shorter than any silence that ends a session: nobody notices but the events, which wait.
  const double complete = sim->Lines("storm").back().at("took_s");
  Await(60s, "the time after it", [&] { return sim->Latest()["t"] > complete + 7; });
  const Numbers end = sim->End();
  EXPECT_EQ(end.at("all_connected"), 1);
  EXPECT_GT(end.at("ack_ms_p99"), 1000);
  EXPECT_EQ(end.at("events_lost"), 0);
  const e2e::Finished checked = Check(fleet_.database());
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST(WireList, CountsRowsAndTakesTheToken) {
  v1::ListSlotsResponse response;
  for (int i = 0; i < 7; ++i) response.add_slots()->set_node("n");
  response.set_next_page_token("more");
  response.mutable_summary()->set_slots(7);
  const bench::PageFacts facts = bench::ReadPage(response.SerializeAsString());
  EXPECT_EQ(facts.rows, 7);
  EXPECT_EQ(facts.next_page_token, "more");
  EXPECT_THROW((void)bench::ReadPage("\x0a\x7f no"), e2e::HarnessError);
}

TEST(BenchFleetNumbers, AreReadFromNestedLines) {
  const Numbers numbers =
      bench::ParseNumbers(R"({"end":{"seconds":1.5,"all_connected":true,"errors":{"a \"b": 3}}})");
  EXPECT_EQ(numbers.at("seconds"), 1.5);
  EXPECT_EQ(numbers.at("all_connected"), 1);
}

}  // namespace
}  // namespace procctl::fleetsim

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
