// What a simulated node keeps and answers: its table, its orders, its hostile bytes.
#include <gtest/gtest.h>

#include <set>

#include "tests/fleetsim/hostile.h"
#include "tests/fleetsim/node_messages.h"
#include "tests/fleetsim/order_desk.h"
#include "tests/fleetsim/slot_table.h"

namespace procctl::fleetsim {
namespace {

constexpr std::size_t kMostPieceBytes = std::size_t{64} << 10;

SlotTable Table(std::uint32_t slots, std::uint32_t programs = 0) {
  return SlotTable(BootIdOf("n"), 1'700'000'000, slots, programs, 0);
}

std::vector<v1::SnapshotChunk> Snapshot(SlotTable* table) {
  std::vector<v1::SnapshotChunk> pieces;
  table->BeginSnapshot();
  while (table->SnapshotUnderWay()) table->FillPiece(&pieces.emplace_back());
  return pieces;
}

TEST(SlotTable, ASnapshotHoldsEveryRowOnceInPiecesOf64KiB) {
  SlotTable table = Table(1234, 700);
  std::set<std::string> labels;
  std::set<std::int64_t> generations;
  int programs = 0;
  const auto pieces = Snapshot(&table);
  for (const v1::SnapshotChunk& piece : pieces) {
    EXPECT_LE(piece.ByteSizeLong(), kMostPieceBytes);
    EXPECT_EQ(piece.last(), &piece == &pieces.back());
    for (const v1::Slot& slot : piece.slots()) {
      labels.insert(slot.label());
      generations.insert(slot.incarnation().generation());
    }
    programs += piece.programs_size();
  }
  EXPECT_EQ(labels.size(), 1234U);
  EXPECT_EQ(generations.size(), 1234U);
  EXPECT_EQ(programs, 700);
}

TEST(SlotTable, AnEmptyTableIsOnePiece) {
  SlotTable table = Table(0);
  const auto pieces = Snapshot(&table);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_TRUE(pieces[0].last());
}

TEST(SlotTable, ADeltaLeadsFromTheRevisionOfTheSnapshot) {
  SlotTable table = Table(10, 1);
  const std::int64_t revision = Snapshot(&table).back().revision();
  const std::int64_t before = table.Generation(0);
  table.Restart(0);
  table.Restart(0);
  ASSERT_TRUE(table.HasChanges());
  v1::SlotDelta delta;
  table.FillDelta(&delta);
  EXPECT_EQ(delta.from_revision(), revision);
  EXPECT_EQ(delta.to_revision(), table.revision());
  ASSERT_EQ(delta.removes_size(), 2);
  EXPECT_EQ(delta.removes(0), before);
  ASSERT_EQ(delta.upserts_size(), 1);
  EXPECT_EQ(delta.upserts(0).incarnation().generation(), table.Generation(0));
  EXPECT_GE(delta.program_upserts_size(), 1);
  EXPECT_FALSE(table.HasChanges());
}

TEST(SlotTable, ChangesBeforeASnapshotAreInIt) {
  SlotTable table = Table(10);
  table.Restart(4);
  (void)Snapshot(&table);
  EXPECT_FALSE(table.HasChanges());
}

TEST(SlotTable, ALabelLeadsBackToItsSlot) {
  const SlotTable table = Table(40);
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(table.FindLabel(SlotTable::Label(i)), i);
  }
  for (const char* label : {"", "nobody", "encoder.", "encoder.1", "encoder.x", "encoder.99"}) {
    EXPECT_FALSE(table.FindLabel(label).has_value()) << label;
  }
}

class OrderDeskTest : public ::testing::Test {
 protected:
  v1::Order Kill(std::uint32_t slot, const std::string& id = "r/0") {
    v1::Order order;
    order.set_order_id(id);
    order.set_slot(SlotTable::Label(slot));
    table_.FillIncarnation(slot, order.mutable_incarnation());
    return order;
  }

  SlotTable table_ = Table(10, 2);
  OrderDesk desk_{&table_, /*at_once=*/false};
};

TEST_F(OrderDeskTest, TermSentThenTheVerdict) {
  const auto answers = desk_.Take(Kill(3), 0.5);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].event.kind, v1::EVENT_KIND_TERM_SENT);
  EXPECT_EQ(answers[0].after.count(), 0);
  EXPECT_EQ(answers[1].event.kind, v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(answers[1].event.order->verdict, v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(answers[1].after, std::chrono::milliseconds(150));
  EXPECT_EQ(answers[1].restarts, 3U);
}

TEST_F(OrderDeskTest, ARepeatSignalsNobody) {
  ASSERT_EQ(desk_.Take(Kill(3), 0).size(), 2U);
  EXPECT_TRUE(desk_.Take(Kill(3), 0).empty());
  EXPECT_EQ(desk_.repeats(), 1);
}

TEST_F(OrderDeskTest, AnotherLifeIsNotStopped) {
  const v1::Order order = Kill(3);
  table_.Restart(3);
  const auto answers = desk_.Take(order, 0);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].event.order->verdict, v1::VERDICT_IDENTITY_MISMATCH);
  EXPECT_FALSE(answers[0].restarts.has_value());
}

TEST_F(OrderDeskTest, WhoIsNotThereIsGone) {
  v1::Order order = Kill(3);
  order.set_slot("nobody");
  const auto answers = desk_.Take(order, 0);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].event.order->verdict, v1::VERDICT_GONE_ALREADY);
}

TEST_F(OrderDeskTest, AHoldAndItsEnd) {
  v1::HoldOrder hold;
  hold.set_order_id("h/0");
  hold.set_slot(SlotTable::Label(1));
  table_.FillIncarnation(1, hold.mutable_incarnation());
  hold.mutable_hold_for()->set_seconds(60);
  auto answers = desk_.Take(hold, 1);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].event.kind, v1::EVENT_KIND_HOLD_PLACED);
  EXPECT_EQ(answers[0].event.order->hold_until_ns, 60'000'000'001);
  v1::Slot row;
  table_.FillSlot(1, &row);
  EXPECT_TRUE(row.has_hold());
  hold.set_order_id("h/1");
  hold.set_release(true);
  answers = desk_.Take(hold, 2);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].event.kind, v1::EVENT_KIND_HOLD_ENDED);
}

TEST_F(OrderDeskTest, OrdersAboutProgramsAreInForceAtOnce) {
  v1::ProgramOrder order;
  order.set_order_id("p/0");
  order.set_action(v1::PROGRAM_ACTION_RESTART);
  order.set_program(SlotTable::Label(1));
  auto answers = desk_.Take(order);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].event.kind, v1::EVENT_KIND_PROGRAM_ORDERED);
  EXPECT_EQ(answers[0].restarts, 1U);
  order.set_order_id("p/1");
  order.set_program(SlotTable::Label(5));  // a slot, but of no program
  answers = desk_.Take(order);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].event.order->verdict, v1::VERDICT_REFUSED);
}

TEST(NodeMessages, EventsKeepTheirIdentityAndSize) {
  const SlotTable table = Table(10);
  EventBook::Record record{7, 7, {}};
  record.event.kind = v1::EVENT_KIND_NEAR_MISS;
  const v1::Event event = MakeEvent({"n", "i"}, table, 5, record, 2000);
  EXPECT_EQ(event.id().origin(), "n");
  EXPECT_EQ(event.id().epoch(), 5);
  EXPECT_EQ(event.id().seq(), 7);
  EXPECT_NEAR(static_cast<double>(event.ByteSizeLong()), 2000, 4);
}

TEST(NodeMessages, UsageIsToldOfThoseThatWereAskedFor) {
  const SlotTable table = Table(10);
  v1::DetailRequest request;
  request.set_request(9);
  request.mutable_usage()->add_generations(table.Generation(4));
  request.mutable_usage()->add_generations(1);  // nobody's
  const v1::DetailReply reply = MakeReply(request, table, 5);
  EXPECT_EQ(reply.request(), 9);
  ASSERT_EQ(reply.usage().rows_size(), 1);
  EXPECT_EQ(reply.usage().rows(0).generation(), table.Generation(4));
}

TEST(Hostile, EveryTrickHasAPlanAndAName) {
  std::set<std::string_view> names;
  for (int i = 0; i < static_cast<int>(Trick::kCount); ++i) {
    const auto trick = static_cast<Trick>(i);
    names.insert(TrickName(trick));
    const HostilePlan plan = MakePlan(trick, {"n", "i"}, 5, 1);
    const bool silent = trick == Trick::kStall || trick == Trick::kReconnectLoop;
    EXPECT_EQ(plan.messages.empty(), silent) << TrickName(trick);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Trick::kCount));
}

}  // namespace
}  // namespace procctl::fleetsim
