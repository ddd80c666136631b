#include "cli/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <sstream>

#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;
using testing::kNoon;
using ::testing::Not;
using testing::Row;

class RenderTest : public ::testing::Test {
 protected:
  RenderTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
};

SlotList Fleet() {
  SlotList list;
  list.as_of.set_seconds(kNoon);
  list.summary.set_nodes_connected(2);
  list.summary.set_nodes_lost(1);
  list.summary.set_slots(4);
  auto hung = Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 4182);
  hung.mutable_slot()->mutable_silence()->set_seconds(6);
  hung.mutable_reported()->set_seconds(1);
  hung.mutable_reported()->set_nanos(200'000'000);
  auto stale = Row("web-03", "old", v1::SLOT_STATE_STALE, 99);
  stale.set_node_state(v1::NODE_STATE_LOST);
  stale.mutable_age()->set_seconds(95);
  list.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120), hung,
                Row("web-02", "my worker", v1::SLOT_STATE_ALIVE, 77), stale};
  return list;
}

TEST_F(RenderTest, SlotsAreATableAPersonCanRead) {
  EXPECT_EQ(RenderSlots(Fleet(), /*filtered=*/false, /*colour=*/false),
            "NODE    SLOT          STATE  PID   BEAT   TIMEOUT  UP  AGE    STATUS\n"
            "web-01  api           alive  4120  <2.5s  5s       1h  2s     -\n"
            "web-01  encoder       hung   4182  7.2s   5s       1h  2s     -\n"
            "web-02  my\\x20worker  alive  77    <2.5s  5s       1h  2s     -\n"
            "web-03  old           stale  99    -      5s       1h  1m35s  -\n"
            "\n"
            "3 nodes (2 connected, 1 lost), 4 slots: 2 alive, 1 hung, 1 stale. As of 12:00:00\n");
}

TEST_F(RenderTest, EveryRowHasAsManyWordsAsTheHeader) {
  SlotList list = Fleet();
  list.slots.push_back(Row("", "", static_cast<v1::SlotState>(42), 0));
  list.slots.push_back(Row("n", "\x1b[1m \xff\u3000x", v1::SLOT_STATE_QUIET, 5));
  std::istringstream lines(RenderSlots(list, false, false));
  std::string line;
  int rows = 0;
  while (std::getline(lines, line) && !line.empty()) {
    std::istringstream words(line);
    std::string word;
    int n = 0;
    while (words >> word) ++n;
    EXPECT_EQ(n, 9) << line;
    ++rows;
  }
  EXPECT_EQ(rows, 7);
}

v1::FleetSlot HeldRow() {
  auto row = Row("web-01", "api", v1::SLOT_STATE_HELD, 4120);
  v1::Slot* slot = row.mutable_slot();
  slot->mutable_hold()->set_owner("operator/alice");
  slot->mutable_hold()->set_reason("debugging\x1b");
  slot->mutable_hold()->mutable_until()->set_seconds(kNoon + 28 * 60);
  slot->set_hold_reason("hold of operator/alice");
  slot->set_phase("decode");
  slot->set_note("frame 12");
  slot->mutable_progress_limit()->set_seconds(30);
  slot->mutable_progress_silence()->set_seconds(2);
  return row;
}

TEST_F(RenderTest, StatusSaysWhoHoldsItAndWhatItSaysItself) {
  SlotList list = Fleet();
  list.slots = {HeldRow()};
  EXPECT_THAT(RenderSlots(list, false, false),
              HasSubstr("  2s   hold: operator/alice, 28m left, \"debugging\\x1b\"; held: hold of "
                        "operator/alice; [decode]; \"frame 12\"\n"));
}

TEST_F(RenderTest, AWideTableHasMoreColumns) {
  SlotList list = Fleet();
  list.slots = {HeldRow(), Row("web-01", "b", v1::SLOT_STATE_ALIVE, 7)};
  v1::Usage* usage = list.slots[1].mutable_usage();
  usage->set_resident(3 << 20);
  usage->set_threads(1);
  usage->set_descriptors(5);
  const std::string text = RenderSlots(list, false, false, Columns::kWide);
  EXPECT_THAT(text, HasSubstr("AGE  CPU  RSS   THREADS  FDS  NAME  DOOR    UID  GENERATION  LIMIT  "
                              "PROGRESS  HOLDER          UNTIL                STATUS\n"));
  EXPECT_THAT(text, HasSubstr("2s   -    -     -        -    api   native  0    7           -      "
                              "2s/30s    operator/alice  2026-11-22T12:28:00  hold: "));
  EXPECT_THAT(text, HasSubstr("2s   0%   3MiB  1        5    b     native  0    7           -      "
                              "-         -               -                    -\n"));
}

// They may beat without a report, so the last reported silence says nothing of now.
TEST_F(RenderTest, NoBeatIsClaimedWhereItIsNotKnown) {
  for (const auto state : {v1::SLOT_STATE_STARTING, v1::SLOT_STATE_BUSY, v1::SLOT_STATE_NO_PROGRESS,
                           v1::SLOT_STATE_GAVE_UP}) {
    SlotList list = Fleet();
    list.slots = {Row("n", "a", state, 11)};
    list.slots[0].mutable_reported()->set_seconds(77);
    EXPECT_THAT(RenderSlots(list, false, false), Not(HasSubstr("1m17s")));
  }
}

TEST_F(RenderTest, NewStatesHaveColours) {
  SlotList list = Fleet();
  list.slots = {Row("n", "a", v1::SLOT_STATE_NO_PROGRESS, 11),
                Row("n", "b", v1::SLOT_STATE_BUSY, 12)};
  EXPECT_THAT(RenderSlots(list, false, true),
              AllOf(HasSubstr("\x1b[31mno_progress\x1b[0m"), HasSubstr("busy         12")));
}

// The one thing the table must never do.
TEST_F(RenderTest, ARowOfALostNodeIsNeverShownAsAlive) {
  SlotList list = Fleet();
  list.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120)};
  list.slots[0].set_node_state(v1::NODE_STATE_LOST);
  const std::string text = RenderSlots(list, false, false);
  EXPECT_THAT(text, AllOf(HasSubstr("stale"), Not(HasSubstr("alive")), Not(HasSubstr("<2.5s"))));
}

TEST_F(RenderTest, OfASuspectNodeNoBeatIsClaimed) {
  SlotList list = Fleet();
  list.slots = {Row("web-01", "api", v1::SLOT_STATE_ALIVE, 4120)};
  list.slots[0].set_node_state(v1::NODE_STATE_SUSPECT);
  EXPECT_THAT(RenderSlots(list, false, false), Not(HasSubstr("<2.5s")));
}

TEST_F(RenderTest, WhatIsNotFreshSaysHowOldItIs) {
  SlotList list = Fleet();
  list.slots = {Row("web-01", "api", v1::SLOT_STATE_HUNG, 4120)};
  EXPECT_THAT(RenderSlots(list, false, false), HasSubstr("hung"));
  list.slots[0].mutable_age()->set_seconds(41);
  list.slots[0].set_freshness(v1::FRESHNESS_STALE);
  EXPECT_THAT(RenderSlots(list, false, false),
              AllOf(HasSubstr("stale"), HasSubstr("1h  41s  -"), Not(HasSubstr("hung"))));
  // Of a controller that knows no freshness.
  list.slots[0].clear_freshness();
  for (const auto state : {v1::NODE_STATE_SUSPECT, v1::NODE_STATE_LOST, v1::NODE_STATE_DRAINING}) {
    list.slots[0].set_node_state(state);
    EXPECT_THAT(RenderSlots(list, false, false),
                AllOf(HasSubstr("stale"), HasSubstr("1h  41s  -"), Not(HasSubstr("hung"))));
  }
}

TEST_F(RenderTest, ColoursAreOnlyWhereAskedFor) {
  EXPECT_THAT(RenderSlots(Fleet(), false, false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(RenderSlots(Fleet(), false, true),
              AllOf(HasSubstr("\x1b[31mhung\x1b[0m   4182"), HasSubstr("\x1b[32malive\x1b[0m")));
}

TEST_F(RenderTest, AnEmptyListIsOneLine) {
  EXPECT_EQ(RenderSlots({}, false, false), "0 nodes, 0 slots. As of 00:00:00\n");
}

TEST_F(RenderTest, AFilteredListSaysOfHowMany) {
  SlotList list = Fleet();
  list.slots.resize(1);
  EXPECT_THAT(RenderSlots(list, true, false), HasSubstr("1 of 4 slots matched: 1 alive"));
}

TEST_F(RenderTest, AbsurdNumbersDoNoHarm) {
  SlotList list;
  auto row = Row("n", "a", v1::SLOT_STATE_HUNG, INT32_MIN);
  row.mutable_slot()->mutable_timeout()->set_seconds(INT64_MIN);
  row.mutable_slot()->mutable_silence()->set_seconds(INT64_MAX);
  row.mutable_reported()->set_seconds(INT64_MAX);
  row.mutable_slot()->mutable_registered_at()->set_seconds(INT64_MIN);
  row.mutable_age()->set_seconds(INT64_MIN);
  list.slots = {row};
  list.as_of.set_seconds(INT64_MAX);
  list.summary.set_nodes_lost(INT32_MAX);
  list.summary.set_nodes_connected(INT32_MAX);
  EXPECT_THAT(RenderSlots(list, false, false), HasSubstr("hung"));
}

TEST_F(RenderTest, Nodes) {
  NodeList list;
  list.as_of.set_seconds(kNoon);
  v1::Node node;
  node.set_id("web-01");
  node.set_state(v1::NODE_STATE_CONNECTED);
  node.set_slots(3);
  node.set_slots_in_trouble(1);
  node.set_mode("enforce");
  node.set_software_version("0.1.0");
  node.set_hostname("web 01\x1b");
  node.set_peer("10.0.0.1:5000");
  node.mutable_age()->set_seconds(4);
  node.mutable_connected_at()->set_seconds(kNoon - 60);
  list.nodes = {node};
  EXPECT_EQ("\n" + RenderNodes(list, false), R"(
NODE    STATE      AGE  SLOTS  TROUBLE  WAITING  LOAD  MODE     VERSION  HOST           PEER           SINCE                NOTE
web-01  connected  4s   3      1        0        -     enforce  0.1.0    web\x2001\x1b  10.0.0.1:5000  2026-11-22T11:59:00  -

1 node: 1 connected, 0 suspect, 0 lost. As of 12:00:00
)");
}

TEST_F(RenderTest, NodesSayWhatIsNotAsUsual) {
  NodeList list;
  v1::Node node;
  node.set_state(v1::NODE_STATE_DRAINING);
  node.set_goodbye("restarting\x1b");
  node.set_load_per_mille(1250);
  node.mutable_skew()->set_seconds(-7);
  list.nodes = {node};
  std::string text = RenderNodes(list, false);
  EXPECT_THAT(text, HasSubstr("draining"));
  EXPECT_THAT(text, HasSubstr("restarting\\x1b; clock 7s behind"));
  EXPECT_THAT(text, HasSubstr("  1.25  "));
  EXPECT_THAT(text, HasSubstr("0 lost, 1 draining."));
  list.nodes[0].mutable_skew()->set_seconds(1);
  list.nodes[0].set_state(v1::NODE_STATE_FORGOTTEN);
  list.nodes[0].clear_goodbye();
  text = RenderNodes(list, false);
  EXPECT_THAT(text, Not(HasSubstr("clock"))) << "exactly 1 s is not over 1 s";
  EXPECT_THAT(text, HasSubstr("0 lost, 1 forgotten."));
  list.nodes[0].mutable_skew()->set_nanos(1);
  EXPECT_THAT(RenderNodes(list, false), HasSubstr("ahead"));
}

TEST_F(RenderTest, Events) {
  v1::StoredEvent stored;
  v1::Event* event = stored.mutable_event();
  event->set_kind(v1::EVENT_KIND_VERDICT);
  event->set_severity(v1::SEVERITY_WARNING);
  event->set_node("web-01");
  event->set_slot("encoder");
  event->mutable_incarnation()->set_pid(4182);
  event->mutable_at()->set_seconds(kNoon);
  event->set_cause(v1::CAUSE_OPERATOR);
  event->set_verdict(v1::VERDICT_EXITED_ON_TERM);
  event->mutable_took()->set_nanos(800'000'000);
  event->set_issuer("operator/alice");
  event->set_kill(17);
  event->mutable_id()->set_origin("web-01");
  event->mutable_id()->set_epoch(3);
  event->mutable_id()->set_seq(12);
  event->set_message("encoder (pid 4182) exited\x1b[2J\nfake");
  EXPECT_EQ("\n" + RenderEvents({stored}, false), R"(
TIME                 NODE    KIND     SLOT     PID   CAUSE     VERDICT         TOOK  BY              ID           MESSAGE
2026-11-22T12:00:00  web-01  verdict  encoder  4182  operator  exited_on_term  0.8s  operator/alice  web-01:3:12  encoder (pid 4182) exited\x1b[2J\x0afake
)");
  EXPECT_EQ(RenderEvents({}, false), "");
  EXPECT_EQ(NextAfter({stored}), "procctl-cli why web-01/encoder");
  event->set_slot("my worker's");
  EXPECT_EQ(NextAfter({stored}), "procctl-cli why 'web-01/my\\x20worker'\\''s'");
  event->set_kill(0);
  EXPECT_EQ(NextAfter({stored}), "");
}

TEST_F(RenderTest, AnEventWithoutASlotHasDashes) {
  v1::StoredEvent stored;
  stored.mutable_event()->set_kind(v1::EVENT_KIND_STALL);
  EXPECT_THAT(RenderEvents({stored}, false), HasSubstr("stall  -     -    -      -        -"));
}

}  // namespace
}  // namespace procctl::cli
