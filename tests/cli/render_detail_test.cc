#include "cli/render_detail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

#include "proto/support/time_convert.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using testing::kNoon;
using ::testing::Not;
using testing::Row;
using namespace std::chrono_literals;

class RenderDetailTest : public ::testing::Test {
 protected:
  RenderDetailTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    as_of_.set_seconds(kNoon);
  }

  google::protobuf::Timestamp as_of_;
};

v1::Headroom Gaps() {
  v1::Headroom headroom;
  for (const auto limit : {100ms, 1000ms, 4000ms, 6000ms}) {
    *headroom.add_limits() = ToProto(limit);
  }
  for (const int64_t count : {12000, 600, 1, 0, 0}) headroom.add_gaps(count);
  *headroom.mutable_worst() = ToProto(3900ms);
  headroom.set_near_misses(0);
  *headroom.mutable_suggested_timeout() = ToProto(2100ms);
  return headroom;
}

TEST_F(RenderDetailTest, GapsAreBarsAndTheTimeoutStandsAmongThem) {
  EXPECT_EQ(RenderHeadroom(Gaps(), 4s),
            "  up to 0.1s |######################################## 12000\n"
            "  up to 1s   |## 600\n"
            "  up to 4s   |# 1   <- the timeout, 4s\n"
            "  Worst gap:          3.9s (98 % of the timeout)\n"
            "  Near misses:        0\n"
            "  Suggested timeout:  2.1s (now 4s)\n");
}

TEST_F(RenderDetailTest, GapsBeyondTheTimeoutAreShownIfThereWereAny) {
  v1::Headroom headroom = Gaps();
  headroom.set_gaps(4, 2);
  headroom.clear_suggested_timeout();
  EXPECT_THAT(RenderHeadroom(headroom, 4s),
              AllOf(HasSubstr("  up to 6s   |0\n"), HasSubstr("  over 6s    |# 2\n"),
                    HasSubstr("none yet: fewer than 100 gaps were seen")));
  EXPECT_EQ(RenderHeadroom({}, 4s), "  no gaps are recorded\n");
}

TEST_F(RenderDetailTest, AbsurdHeadroomDoesNoHarm) {
  v1::Headroom headroom;
  headroom.add_gaps(INT64_MAX);
  headroom.add_gaps(INT64_MIN);
  headroom.add_gaps(7);
  headroom.mutable_worst()->set_seconds(INT64_MAX);
  EXPECT_THAT(RenderHeadroom(headroom, 0s), HasSubstr("any"));
  headroom.add_limits()->set_seconds(INT64_MIN);
  EXPECT_THAT(RenderHeadroom(headroom, 5s), HasSubstr("over"));
}

TEST_F(RenderDetailTest, ASlotAsItsNodeTellsIt) {
  v1::FleetSlot row = Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 4182);
  v1::SlotDetail detail;
  *detail.mutable_slot() = row.slot();
  v1::Slot* slot = detail.mutable_slot();
  slot->set_state(v1::SLOT_STATE_BUSY);
  slot->set_uid(1000);
  *slot->mutable_silence() = ToProto(300ms);
  *slot->mutable_special_limit() = ToProto(10min);
  *slot->mutable_progress_limit() = ToProto(30s);
  *slot->mutable_progress_silence() = ToProto(200ms);
  slot->set_phase("decode");
  slot->set_note("frame \x1b");
  slot->set_observe(true);
  slot->mutable_hold()->set_owner("operator/alice");
  slot->mutable_hold()->set_reason("debugging");
  slot->mutable_hold()->mutable_until()->set_seconds(kNoon + 1680);
  detail.set_beats(12345);
  detail.set_progress(17);
  detail.set_busy_count(4);
  detail.set_busy_cut(1);
  *detail.mutable_shadow_timeout() = ToProto(3s);
  detail.set_shadow_kills(2);
  detail.mutable_usage()->set_resident(22'544'384);
  detail.mutable_usage()->set_cpu_percent(97);
  detail.mutable_usage()->set_threads(4);
  detail.mutable_usage()->set_descriptors(1);
  detail.set_kill(17);
  *detail.mutable_headroom() = Gaps();
  EXPECT_THAT("\n" + RenderSlotDetail(row, detail, as_of_), ::testing::StartsWith(R"(
web-01/encoder
  State:           busy
  Node:            web-01, connected, heard 2s ago
  Name:            encoder
  Pid:             4182, user 1000
  Id:              b7e1f0c2:4182:5182:7
  Door:            native
  Registered:      2026-11-22T11:00:00 (1h ago)
  Timeout:         5s
  Limit in force:  10m
  Progress limit:  30s
  Silence:         0.3s
  Beats:           12345
  Progress:        17, unchanged for 0.2s
  Long work:       announced 4 times, 1 cut to the node's policy
  Shadow timeout:  3s: would have stopped it 2 times
  Uses:            21.5 MiB resident, 97 % CPU, 4 threads, 1 descriptor
  Kill under way:  17
  Hold:            operator/alice, until 2026-11-22T12:28:00 (28m left), "debugging"
  Observe:         yes: judged and reported, never signalled
  Phase:           "decode"
  Note:            "frame \x1b"

Gaps between beats
  up to 0.1s |########)"));
}

TEST_F(RenderDetailTest, OfANodeThatCannotBeHeardNoStateIsClaimed) {
  v1::FleetSlot row = Row("web-01", "encoder", v1::SLOT_STATE_ALIVE, 4182);
  row.set_node_state(v1::NODE_STATE_LOST);
  *row.mutable_age() = ToProto(95s);
  EXPECT_THAT(RenderRow(row, as_of_),
              AllOf(HasSubstr("State:       not known; alive when last heard, 1m35s ago\n"),
                    HasSubstr("web-01, lost, heard 1m35s ago")));
}

TEST_F(RenderDetailTest, ANode) {
  v1::Node node;
  node.set_id("web-01");
  node.set_state(v1::NODE_STATE_CONNECTED);
  node.set_mode("enforce");
  node.set_slots(3);
  node.set_slots_in_trouble(1);
  *node.mutable_age() = ToProto(2s);
  node.set_events_waiting(3);
  EXPECT_EQ("\n" + RenderNode(node), R"(
web-01
  State:           connected, heard 2s ago
  Mode:            enforce
  Slots:           3, 1 in trouble
  Events waiting:  3
)");
  // Of a node that was asked itself nobody has counted them.
  node.set_events_waiting(0);
  EXPECT_THAT(RenderNode(node), Not(HasSubstr("waiting")));
}

TEST_F(RenderDetailTest, ANodeSaysHowItFares) {
  v1::Node node;
  node.set_state(v1::NODE_STATE_DRAINING);
  node.set_goodbye("restarting");
  *node.mutable_skew() = ToProto(-3ms);
  node.set_load_per_mille(1250);
  *node.mutable_lag() = ToProto(2ms);
  EXPECT_THAT(RenderNode(node), AllOf(HasSubstr("Goodbye:       restarting\n"),
                                      HasSubstr("Clock:         3ms behind the controller's\n"),
                                      HasSubstr("Load:          1.25 runnable processes per CPU\n"),
                                      HasSubstr("Uplink's lag:  2ms\n")));
}

TEST_F(RenderDetailTest, AGuardianItsBrakesAndItsCanary) {
  v1::NodeDetail detail;
  detail.set_guardian_pid(812);
  detail.set_guardian_epoch(3);
  detail.set_takeovers(1);
  *detail.mutable_scan_interval() = ToProto(100ms);
  *detail.mutable_lag() = ToProto(1ms);
  *detail.mutable_worst_lag_minute() = ToProto(12ms);
  *detail.mutable_worst_lag() = ToProto(40ms);
  detail.set_slots(3);
  detail.set_processes(2);
  detail.set_kills_under_way(1);
  v1::Brakes* brakes = detail.mutable_brakes();
  brakes->set_tokens(9.5);
  brakes->set_burst(10);
  brakes->set_per_minute(30);
  brakes->set_common_cause(true);
  brakes->set_held_by_common_cause(60);
  *brakes->mutable_pause_left() = ToProto(42s);
  v1::Canary* canary = detail.mutable_canary();
  *canary->mutable_every() = ToProto(1min);
  *canary->mutable_latency() = ToProto(213ms);
  canary->mutable_last_ok()->set_seconds(kNoon);
  canary->set_turns(12);
  EXPECT_EQ(RenderNodeDetail(detail), R"(
Guardian
  Pid:          812, epoch 3
  Taken up:     1 time in this boot
  Scans every:  0.1s
  Lag:          1ms now, 12ms worst of the last minute, 40ms worst since its start
  Guards:       3 slots of 2 processes, 1 kill under way

Brakes
  Bucket:                9.5 of 10 kills, 30 a minute come back
  Held by bucket:        0
  Common cause:          assumed now, no kill for another 42s
  Held by common cause:  60

Canary
  Every:         1m
  Turns:         12, 0 failed
  Latency:       0.213s from its timeout to its end
  Last success:  2026-11-22T12:00:00
)");
  detail.clear_canary();
  detail.clear_brakes();
  EXPECT_THAT(RenderNodeDetail(detail),
              AllOf(HasSubstr("\nCanary\n  none is configured\n"), Not(HasSubstr("Brakes"))));
}

TEST_F(RenderDetailTest, Evidence) {
  v1::Event event;
  event.set_cause(v1::CAUSE_HEARTBEAT);
  event.set_symptom(v1::SYMPTOM_SILENT);
  v1::Evidence* evidence = event.mutable_evidence();
  evidence->set_heart("encoder");
  *evidence->mutable_silence() = ToProto(5041ms);
  *evidence->mutable_limit() = ToProto(5s);
  evidence->set_beats(100);
  evidence->set_comm("media");
  evidence->set_state("S");
  evidence->set_open_fds(12);
  evidence->set_fd_limit(-1);
  evidence->set_threads_left_out(1);
  evidence->mutable_io_pressure()->set_known(true);
  evidence->mutable_io_pressure()->set_some(1.25);
  evidence->add_missing("threads/4711/stack: denied\n");
  v1::Thread* thread = evidence->add_threads();
  thread->set_tid(4711);
  thread->set_comm("enc oder");
  thread->set_state("S");
  thread->set_wchan("futex_wait_queue");
  thread->set_syscall("futex");
  *thread->mutable_cpu() = ToProto(2s);
  thread->add_stack("futex_wait_queue+0x66/0x90");
  EXPECT_EQ("\n" + RenderEvidence(event), R"(
  Heart:     encoder
  Symptom:   silent
  Cause:     heartbeat
  Silence:   5.041s, limit 5s
  Beats:     100
  Progress:  0
  Process:            media, state S
  Descriptors:        12 open, limit none
  I/O pressure:       1.2 % some, 0.0 % full (last 10s)
  Could not be read:  threads/4711/stack: denied\x0a

TID   COMM         STATE  WCHAN             SYSCALL  CPU
4711  enc\x20oder  S      futex_wait_queue  futex    2s
1 more thread not read

Kernel stack of 4711 (enc\x20oder)
  futex_wait_queue+0x66/0x90
)");
}

}  // namespace
}  // namespace procctl::cli
