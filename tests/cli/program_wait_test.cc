#include "cli/program_wait.h"

#include <gtest/gtest.h>

#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::FailedAgain;
using testing::ProgramRow;
using testing::Restarted;

v1::Program In(v1::ProgramState state, int pid = 0) {
  return ProgramRow("n", "p", state, pid).program();
}

const v1::Program kRunning = In(v1::PROGRAM_STATE_RUNNING, 7);
const v1::Program kBackoff = In(v1::PROGRAM_STATE_BACKOFF);

v1::Program After(const v1::Program& before, void (*change)(v1::FleetProgram*)) {
  v1::FleetProgram row;
  *row.mutable_program() = before;
  change(&row);
  return row.program();
}

void NewLife(v1::FleetProgram* row) { Restarted(8, row); }
void NewBackoff(v1::FleetProgram* row) { FailedAgain(v1::PROGRAM_STATE_BACKOFF, row); }
void NewDone(v1::FleetProgram* row) { FailedAgain(v1::PROGRAM_STATE_DONE, row); }
void RanWell(v1::FleetProgram* row) {
  FailedAgain(v1::PROGRAM_STATE_DONE, row);
  row->mutable_program()->mutable_last_death()->set_exit_code(0);
}

TEST(Judge, AnOldRowIsNoAnswerToARestart) {
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, kRunning), Standing::kUnderWay);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, After(kRunning, NewLife)),
            Standing::kReached);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, In(v1::PROGRAM_STATE_STOPPING, 7)),
            Standing::kUnderWay);
}

TEST(Judge, TheEndThatARestartBringsAboutIsNoFailure) {
  v1::Program ended = In(v1::PROGRAM_STATE_BACKOFF);
  ended.mutable_last_death()->set_cause(v1::CAUSE_OPERATOR);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, ended), Standing::kUnderWay);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, After(kRunning, NewBackoff)),
            Standing::kFailed);
  // It could not be started at all, so there never was a new life.
  ended.mutable_last_death()->set_cause(v1::CAUSE_START_FAILED);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, ended), Standing::kFailed);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RESTART, kRunning, In(v1::PROGRAM_STATE_PARKED)),
            Standing::kFailed);
}

TEST(Judge, OfAStartOnlyANewFailureCounts) {
  for (const auto action : {v1::PROGRAM_ACTION_START, v1::PROGRAM_ACTION_RETRY}) {
    EXPECT_EQ(Judge(action, kBackoff, kBackoff), Standing::kUnderWay);
    EXPECT_EQ(Judge(action, kBackoff, In(v1::PROGRAM_STATE_STARTING, 9)), Standing::kUnderWay);
    EXPECT_EQ(Judge(action, kBackoff, After(kBackoff, NewBackoff)), Standing::kFailed);
    EXPECT_EQ(Judge(action, kBackoff, After(kBackoff, NewLife)), Standing::kReached);
    const v1::Program parked = In(v1::PROGRAM_STATE_PARKED);
    EXPECT_EQ(Judge(action, parked, parked), Standing::kUnderWay);
  }
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_START, kRunning, kRunning), Standing::kReached);
}

TEST(Judge, ARunThatIsOverBeforeAnybodyLooked) {
  const v1::Program stopped = In(v1::PROGRAM_STATE_STOPPED);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_START, stopped, After(stopped, RanWell)), Standing::kReached);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_START, stopped, After(stopped, NewDone)), Standing::kFailed);
}

TEST(Judge, AScheduledProgramIsStartedWhenItsTimesCountAgain) {
  const v1::Program stopped = In(v1::PROGRAM_STATE_STOPPED);
  const v1::Program scheduled = In(v1::PROGRAM_STATE_SCHEDULED);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_START, stopped, scheduled), Standing::kReached);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_RETRY, scheduled, scheduled), Standing::kUnderWay);
}

TEST(Judge, OfAStop) {
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_STOP, kRunning, kRunning), Standing::kUnderWay);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_STOP, kRunning, In(v1::PROGRAM_STATE_STOPPING, 7)),
            Standing::kUnderWay);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_STOP, kRunning, In(v1::PROGRAM_STATE_STOPPED)),
            Standing::kReached);
}

TEST(Judge, SomebodyElseStoppedIt) {
  const v1::Program stopped = In(v1::PROGRAM_STATE_STOPPED);
  v1::Program again = stopped;
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_START, stopped, again), Standing::kUnderWay);
  again.set_starts(2);
  EXPECT_EQ(Judge(v1::PROGRAM_ACTION_START, stopped, again), Standing::kFailed);
}

TEST(StandingText, SaysWhatMatters) {
  google::protobuf::Timestamp noon;
  noon.set_seconds(testing::kNoon);
  EXPECT_EQ(StandingText(kRunning, noon), "running, pid 7");
  v1::Program backoff = After(kBackoff, NewBackoff);
  backoff.mutable_next_start()->set_seconds(testing::kNoon + 4);
  EXPECT_EQ(StandingText(backoff, noon), "backoff, started in 4s; last end: exit 3");
  v1::Program waiting = In(v1::PROGRAM_STATE_WAITING);
  waiting.set_message("waits for db\x1b");
  EXPECT_EQ(StandingText(waiting, noon), "waiting; waits for db\\x1b");
}

}  // namespace
}  // namespace procctl::cli
