#include "cli/render_programs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <sstream>

#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::FailedAgain;
using ::testing::HasSubstr;
using testing::kNoon;
using ::testing::Not;
using testing::ProgramRow;

class RenderProgramsTest : public ::testing::Test {
 protected:
  RenderProgramsTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};

google::protobuf::Timestamp At(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(seconds);
  return time;
}

ProgramList Fleet() {
  ProgramList list;
  list.as_of = At(kNoon);
  auto web = ProgramRow("web-01", "web@1", v1::PROGRAM_STATE_RUNNING, 4120);
  v1::Usage* usage = web.mutable_usage();
  usage->set_resident(12 << 20);
  usage->set_cpu_percent(150);
  usage->set_threads(4);
  usage->set_descriptors(17);
  web.mutable_program()->set_cgroup("/procctl/web@1");
  for (const char* label : {"app=web", "tier=front end"}) web.mutable_program()->add_labels(label);
  auto tor = ProgramRow("web-01", "tor", v1::PROGRAM_STATE_STOPPED);
  FailedAgain(v1::PROGRAM_STATE_BACKOFF, &tor);
  tor.mutable_program()->set_restarts(2);
  tor.mutable_program()->mutable_next_start()->set_seconds(kNoon + 4);
  tor.mutable_program()->set_message("ended with exit code 3");
  auto job = ProgramRow("web-01", "job", v1::PROGRAM_STATE_SCHEDULED);
  job.mutable_program()->mutable_next_start()->set_seconds(kNoon + 14 * 3600);
  auto old = ProgramRow("web-02", "old", v1::PROGRAM_STATE_RUNNING, 99);
  old.set_node_state(v1::NODE_STATE_LOST);
  old.mutable_age()->set_seconds(95);
  list.programs = {web, tor, job, old};
  return list;
}

TEST_F(RenderProgramsTest, ATableAPersonCanRead) {
  EXPECT_EQ(
      RenderPrograms(Fleet(), /*colour=*/false, Columns::kUsual),
      "NODE    PROGRAM  STATE      PID   UP  RESTARTS  NEXT      LAST    MESSAGE\n"
      "web-01  web@1    running    4120  1m  0         -         -       -\n"
      "web-01  tor      backoff    -     -   2         in 4s     exit 3  ended with exit code 3\n"
      "web-01  job      scheduled  -     -   0         at 02:00  -       -\n"
      "web-02  old      stale      99    -   0         -         -       last heard 1m35s ago\n"
      "\n"
      "4 programs: 1 backoff, 1 running, 1 scheduled, 1 stale. As of 12:00:00\n");
}

TEST_F(RenderProgramsTest, AWideTableHasWhatEachUses) {
  const std::string text = RenderPrograms(Fleet(), /*colour=*/false, Columns::kWide);
  EXPECT_THAT(text, HasSubstr("LAST    CPU   RSS    THREADS  FDS  DOOR     LABELS"));
  EXPECT_THAT(text, HasSubstr("150%  12MiB  4        17   program  app=web,tier=front\\x20end  "
                              "/procctl/web@1  -\n"));
  EXPECT_THAT(text, HasSubstr("exit 3  -     -      -        -    program  -"));
}

TEST_F(RenderProgramsTest, NothingIsALineToo) {
  ProgramList list;
  list.as_of = At(kNoon);
  EXPECT_EQ(RenderPrograms(list, false, Columns::kUsual), "0 programs. As of 12:00:00\n");
}

TEST_F(RenderProgramsTest, ColoursAreForTerminals) {
  EXPECT_THAT(RenderPrograms(Fleet(), true, Columns::kUsual), HasSubstr("\x1b[32mrunning\x1b[0m"));
  EXPECT_THAT(RenderPrograms(Fleet(), false, Columns::kWide), Not(HasSubstr("\x1b")));
}

TEST_F(RenderProgramsTest, HostileNamesStayInTheirCells) {
  ProgramList list;
  list.as_of = At(kNoon);
  auto row = ProgramRow("n\n1", "a b\x1b[2J", static_cast<v1::ProgramState>(77), 5);
  row.mutable_program()->set_message("x\ny\x1b");
  row.mutable_program()->set_cgroup("/a b");
  list.programs = {row};
  const std::string text = RenderPrograms(list, false, Columns::kWide);
  EXPECT_THAT(text,
              AllOf(HasSubstr("n\\x0a1"), HasSubstr("a\\x20b\\x1b[2J"), HasSubstr("77"),
                    HasSubstr("x\\x0ay\\x1b"), HasSubstr("/a\\x20b"), Not(HasSubstr("\x1b"))));
}

TEST_F(RenderProgramsTest, WhenItIsStartedNext) {
  const std::pair<int64_t, const char*> cases[] = {{-5, "now"},
                                                   {0, "now"},
                                                   {4, "in 4s"},
                                                   {3599, "in 59m59s"},
                                                   {3600, "at 13:00"},
                                                   {24 * 3600 - 1, "at 11:59"},
                                                   {24 * 3600, "at 2026-11-23T12:00"}};
  for (const auto& [after, text] : cases) {
    v1::Program program;
    *program.mutable_next_start() = At(kNoon + after);
    EXPECT_EQ(NextText(program, At(kNoon)), text) << after;
  }
  EXPECT_EQ(NextText({}, At(kNoon)), "-");
}

TEST_F(RenderProgramsTest, OneProgramInDetail) {
  EXPECT_EQ(RenderProgramDetail(Fleet().programs[0], At(kNoon)),
            "Program web-01/web@1\n"
            "  State:    running\n"
            "  Pid:      4120\n"
            "  Started:  2026-11-22T11:59:00 (1m ago)\n"
            "  Cgroup:   /procctl/web@1\n"
            "  Door:     program\n"
            "  Run:      web@1/1\n"
            "  Starts:   1 in this boot, 0 after an end nobody had ordered\n"
            "  Uses:     12 MiB resident, 150 % CPU, 4 threads, 17 descriptors\n"
            "  Labels:   app=web, tier=front\\x20end\n");
  auto tor = Fleet().programs[1];
  v1::Death* death = tor.mutable_program()->mutable_last_death();
  death->mutable_started_at()->set_seconds(kNoon - 130);
  death->mutable_ran()->set_seconds(120);
  const std::string text = RenderProgramDetail(tor, At(kNoon));
  EXPECT_THAT(text, AllOf(HasSubstr("State:     backoff, started in 4s\n"),
                          HasSubstr("Message:   \"ended with exit code 3\"\n"),
                          HasSubstr("Cgroup:    none: process group only\n"),
                          HasSubstr("Last end:  exit 3, after 2m, 10s ago\n")));
  EXPECT_THAT(RenderProgramDetail(Fleet().programs[3], At(kNoon)),
              HasSubstr("not known; running when last heard, 1m35s ago"));
}

v1::StoredEvent Death(int64_t at, v1::Cause cause, int exit_code, int signal) {
  v1::StoredEvent stored;
  v1::Event* event = stored.mutable_event();
  event->set_kind(v1::EVENT_KIND_PROGRAM_ENDED);
  event->set_node("web-01");
  event->set_program("tor");
  *event->mutable_at() = At(at);
  event->mutable_death()->set_cause(cause);
  event->mutable_death()->set_status_known(true);
  event->mutable_death()->set_exit_code(exit_code);
  event->mutable_death()->set_signal(signal);
  event->mutable_death()->mutable_ran()->set_seconds(120);
  return stored;
}

std::vector<v1::StoredEvent> Deaths() {
  v1::StoredEvent first = Death(kNoon, v1::CAUSE_EXIT, 3, 0);
  v1::Death* death = first.mutable_event()->mutable_death();
  *death->mutable_next_start() = At(kNoon + 1);
  death->set_stderr_tail("cannot bind\n\tport \x1b[2J\n");
  v1::StoredEvent ordered = Death(kNoon + 60, v1::CAUSE_OPERATOR, 0, 15);
  ordered.mutable_event()->set_issuer("operator/alice");
  ordered.mutable_event()->set_reason("new release");
  v1::StoredEvent failed = Death(kNoon + 120, v1::CAUSE_START_FAILED, 0, 0);
  failed.mutable_event()->set_kind(v1::EVENT_KIND_PROGRAM_START_FAILED);
  failed.mutable_event()->set_message("no such file: /usr/bin/tro");
  failed.mutable_event()->mutable_death()->clear_ran();
  v1::StoredEvent parked;
  *parked.mutable_event() = failed.event();
  parked.mutable_event()->set_kind(v1::EVENT_KIND_PROGRAM_PARKED);
  parked.mutable_event()->clear_message();
  parked.mutable_event()->clear_death();
  return {first, ordered, failed, parked};
}

TEST_F(RenderProgramsTest, HistoryTellsEachEnd) {
  EXPECT_EQ(
      RenderHistory(Deaths(), false, false),
      "TIME                 RAN  HOW          CAUSE                                             "
      "NEXT START\n"
      "2026-11-22T12:00:00  2m   exit 3       ended by itself                                   "
      "2026-11-22T12:00:01\n"
      "2026-11-22T12:01:00  2m   SIGTERM      operator/alice, \"new release\"                     "
      "-\n"
      "2026-11-22T12:02:00  -    not started  could not be started: no such file: /usr/bin/tro  "
      "-\n"
      "2026-11-22T12:02:00  -    parked       ended too often                                   "
      "-\n");
}

TEST_F(RenderProgramsTest, HistoryWithLastWordsBelowEachEnd) {
  const std::string text = RenderHistory(Deaths(), false, true);
  EXPECT_THAT(text, HasSubstr("2026-11-22T12:00:01\n    cannot bind\n    \\x09port \\x1b[2J\n"
                              "2026-11-22T12:01:00"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(RenderProgramsTest, HistoryOfSeveralInstancesNamesThem) {
  auto deaths = Deaths();
  deaths[1].mutable_event()->set_program("tor@2");
  const std::string text = RenderHistory(deaths, false, false);
  EXPECT_THAT(text, AllOf(HasSubstr("TIME                 PROGRAM  RAN"),
                          HasSubstr("2026-11-22T12:01:00  tor@2    2m")));
}

TEST_F(RenderProgramsTest, OutcomesOfOrders) {
  v1::ProgramTarget target;
  target.set_node("web-01");
  target.set_program("tor");
  v1::ProgramOutcome outcome;
  const auto text = [&](v1::ProgramAction action = v1::PROGRAM_ACTION_RESTART) {
    return RenderProgramOutcome(action, target, outcome);
  };
  EXPECT_EQ(text(),
            "web-01/tor  no restart: no answer came from its node; it may come about later, look "
            "with: procctl-cli programs\n");
  outcome.set_verdict(v1::VERDICT_REFUSED);
  outcome.set_refusal(v1::REFUSAL_NODE_UNREACHABLE);
  EXPECT_EQ(text(), "web-01/tor  no restart: its node cannot be reached now\n");
  outcome.set_refusal(v1::REFUSAL_MALFORMED);
  outcome.set_message("no such program\x1b");
  EXPECT_EQ(text(), "web-01/tor  no restart: refused (malformed): no such program\\x1b\n");
  outcome.set_verdict(v1::VERDICT_HELD);
  EXPECT_THAT(text(), HasSubstr("withheld: no such program"));
  target.mutable_incarnation()->set_pid(7);
  outcome.set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
  outcome.set_message("");
  EXPECT_EQ(text(), "web-01/tor[7]  no restart: it is no longer the process you saw\n");
  outcome.set_done(true);
  EXPECT_EQ(text(), "web-01/tor[7]  restart ordered\n");
  target.clear_program();
  outcome.set_message("1 of 100 programs restarted");
  EXPECT_EQ(text(v1::PROGRAM_ACTION_RELOAD), "web-01  reloaded: 1 of 100 programs restarted\n");
}

}  // namespace
}  // namespace procctl::cli
