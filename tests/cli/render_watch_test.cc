#include "cli/render_watch.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

google::protobuf::Timestamp Noon() {
  google::protobuf::Timestamp time;
  time.set_seconds(testing::kNoon);
  return time;
}

void ExpectOneObject(const std::string& line) {
  google::protobuf::Struct parsed;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &parsed).ok()) << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

SlotChange Change() {
  SlotChange change;
  change.node = "web-01";
  change.label = "enc oder\x1b";
  change.pid = 4182;
  change.from = v1::SLOT_STATE_ALIVE;
  change.to = v1::SLOT_STATE_HUNG;
  return change;
}

TEST(RenderWatch, ALineForAChange) {
  SlotChange change = Change();
  EXPECT_THAT(SlotChangeLine(change, Noon(), /*colour=*/false),
              EndsWith("  web-01/enc\\x20oder\\x1b[4182]  alive -> hung\n"));
  change.to.reset();
  EXPECT_THAT(SlotChangeLine(change, Noon(), false), EndsWith("alive -> gone\n"));
  change = Change();
  change.from.reset();
  EXPECT_THAT(SlotChangeLine(change, Noon(), true), HasSubstr("new -> \x1b[31mhung"));
}

TEST(RenderWatch, ALineForANode) {
  SlotChange change;
  change.what = SlotChange::What::kNode;
  change.node = "web-01";
  change.node_from = v1::NODE_STATE_SUSPECT;
  change.node_to = v1::NODE_STATE_LOST;
  EXPECT_THAT(SlotChangeLine(change, Noon(), false), EndsWith("  web-01  suspect -> lost\n"));
}

TEST(RenderWatch, AnObjectForAChange) {
  SlotChange change = Change();
  const v1::FleetSlot row = testing::Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 4182);
  change.row = &row;
  const std::string line = SlotChangeJson(change, Noon());
  ExpectOneObject(line);
  EXPECT_THAT(line, HasSubstr("\"from\":\"alive\",\"to\":\"hung\""));
  EXPECT_THAT(line, HasSubstr("\"row\":{"));
  change = Change();
  change.to.reset();
  change.initial = true;
  ExpectOneObject(SlotChangeJson(change, Noon()));
  EXPECT_THAT(SlotChangeJson(change, Noon()), HasSubstr("\"to\":null,\"initial\":true"));
  ExpectOneObject(ResyncJson("too \"slow\"\n", 7));
}

TEST(RenderWatch, ALineForAnEvent) {
  v1::StoredEvent stored;
  v1::Event* event = stored.mutable_event();
  event->mutable_id()->set_origin("web-01");
  event->mutable_id()->set_epoch(17);
  event->mutable_id()->set_seq(3);
  event->set_node("web-01");
  event->set_slot("encoder");
  event->set_kind(v1::EVENT_KIND_VERDICT);
  event->set_cause(v1::CAUSE_HEARTBEAT);
  event->set_verdict(v1::VERDICT_KILLED);
  event->mutable_took()->set_seconds(5);
  event->set_message("said \x1b[2J");
  event->mutable_incarnation()->set_pid(4182);
  EXPECT_THAT(EventLine(stored, /*colour=*/false),
              EndsWith("  verdict  web-01/encoder[4182]  heartbeat, killed in 5s, said \\x1b[2J  "
                       "web-01:17:3\n"));
  EXPECT_THAT(EventLine(stored, true), Not(HasSubstr("\x1b[2J")));
  ExpectOneObject(EventJson(stored));
}

}  // namespace
}  // namespace procctl::cli
