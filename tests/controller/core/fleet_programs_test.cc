// Rows of programs in the fleet's view.
#include <gtest/gtest.h>

#include "controller/core/fleet_view.h"
#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using Applied = FleetView::Applied;
using Labels = std::vector<std::string>;

v1::Program MakeProgram(const std::string& label, const std::vector<std::string>& labels = {},
                        v1::ProgramState state = v1::PROGRAM_STATE_RUNNING) {
  v1::Program program;
  program.set_label(label);
  program.set_name(label.substr(0, label.find('@')));
  program.set_state(state);
  for (const std::string& text : labels) program.add_labels(text);
  return program;
}

class FleetProgramsTest : public ::testing::Test {
 protected:
  void Begin(const std::string& node, std::int64_t epoch) {
    view_.BeginSession(node, epoch, {}, now_, liveness_.observed(), WallTime());
  }
  void Silence(std::chrono::nanoseconds by) {
    for (; by > seconds(0); by -= seconds(1)) liveness_.Tick(now_ += seconds(1));
  }
  // One piece of a snapshot of programs.
  Applied Piece(const std::string& node, std::int64_t number, bool last,
                const std::vector<v1::Program>& programs) {
    v1::SnapshotChunk piece;
    piece.set_snapshot(number);
    piece.set_last(last);
    piece.set_revision(1);
    for (const v1::Program& program : programs) *piece.add_programs() = program;
    return view_.ApplySnapshot(node, 1, piece, now_);
  }
  Applied Change(const std::string& node, std::int64_t from,
                 const std::vector<v1::Program>& upserts,
                 const std::vector<std::string>& removes = {}) {
    v1::SlotDelta delta;
    delta.set_from_revision(from);
    delta.set_to_revision(from + 1);
    for (const v1::Program& program : upserts) *delta.add_program_upserts() = program;
    for (const std::string& label : removes) delta.add_program_removes(label);
    return view_.ApplyDelta(node, 1, delta, now_);
  }
  std::vector<std::string> Programs(std::string_view text = "", size_t page = 1000,
                                    size_t budget = 1000) {
    const auto filter = Filter::Parse(text, ProgramFilterSchema());
    EXPECT_TRUE(filter.ok()) << filter.status();
    std::vector<std::string> all;
    std::optional<RowKeyset> at = RowKeyset{};
    while (at && filter.ok()) {
      size_t rows = 0;
      at = view_.VisitPrograms(*filter, *at, budget,
                               [&](const NodeRow& node, const ProgramRow& program) {
                                 all.push_back(node.id + "/" + program.Unpack().label());
                                 return ++rows < page;
                               });
    }
    return all;
  }

  MonoTime now_{seconds(1000)};
  Liveness liveness_{LivenessLimits{.start_grace = seconds(0)}, now_};
  FleetView view_{now_};
};

TEST_F(FleetProgramsTest, ASnapshotReplacesTheRowsOfItsNodeAndDeltasChangeThem) {
  Begin("a", 1);
  Begin("b", 1);
  Piece("b", 1, true, {MakeProgram("web")});
  Piece("a", 1, true, {MakeProgram("old")});
  Piece("a", 2, false, {MakeProgram("web@2")});
  EXPECT_EQ(Programs(), (Labels{"a/old", "b/web"})) << "until the last piece";
  Piece("a", 2, true, {MakeProgram("web@1")});
  EXPECT_EQ(Programs(), (Labels{"a/web@1", "a/web@2", "b/web"}));
  EXPECT_EQ(Change("a", 1, {MakeProgram("job"), MakeProgram("web@1", {}, v1::PROGRAM_STATE_PARKED)},
                   {"web@2"}),
            Applied::kYes);
  EXPECT_EQ(Programs(), (Labels{"a/job", "a/web@1", "b/web"}));
  EXPECT_EQ(Programs("state=parked"), (Labels{"a/web@1"}));
  EXPECT_EQ(Change("a", 1, {MakeProgram("never")}), Applied::kResync);
  EXPECT_EQ(Programs("program=never"), Labels{});
}

TEST_F(FleetProgramsTest, ALabelThatIsRemovedAndTakenAgainInOneDeltaIsTheNewRow) {
  Begin("a", 1);
  Piece("a", 1, true, {MakeProgram("web", {"app=web"})});
  Change("a", 1, {MakeProgram("web", {"app=shop"})}, {"web"});
  EXPECT_EQ(Programs("label=app=web"), Labels{});
  EXPECT_EQ(Programs("label=app=shop"), (Labels{"a/web"}));
}

TEST_F(FleetProgramsTest, CanBeFilteredByEveryKey) {
  Begin("a", 1);
  Begin("b", 1);
  Piece("a", 1, true,
        {MakeProgram("web@1", {"app=web", "tier=front"}), MakeProgram("web@2", {"app=web"}),
         MakeProgram("job", {}, v1::PROGRAM_STATE_SCHEDULED)});
  Piece("b", 1, true, {MakeProgram("db", {"app=db"}, v1::PROGRAM_STATE_BACKOFF)});
  EXPECT_EQ(Programs("node=b"), (Labels{"b/db"}));
  EXPECT_EQ(Programs("node!=b").size(), 3U);
  EXPECT_EQ(Programs("program=web@?"), (Labels{"a/web@1", "a/web@2"}));
  EXPECT_EQ(Programs("name=web"), (Labels{"a/web@1", "a/web@2"}));
  EXPECT_EQ(Programs("state=backoff,scheduled"), (Labels{"a/job", "b/db"}));
  EXPECT_EQ(Programs("label=app=web"), (Labels{"a/web@1", "a/web@2"}));
  EXPECT_EQ(Programs("label=app=web label=tier=front"), (Labels{"a/web@1"}));
  EXPECT_EQ(Programs("label=app=web,app=db").size(), 3U);
  EXPECT_EQ(Programs("label=app=*").size(), 3U);
  EXPECT_EQ(Programs("label!=app=web"), (Labels{"a/job", "b/db"})) << "none of them fits";
  EXPECT_EQ(Programs("label=app"), Labels{}) << "not half of one";
  EXPECT_FALSE(Filter::Parse("state=alive", ProgramFilterSchema()).ok());
  EXPECT_FALSE(Filter::Parse("slot=web", ProgramFilterSchema()).ok());
}

TEST_F(FleetProgramsTest, PagesOfAnySizeTogetherAreTheWholeList) {
  Labels expected;
  for (const std::string node : {"a", "b", "c"}) {
    Begin(node, 1);
    std::vector<v1::Program> programs;
    for (int i = 100; i < 150 && node != "b"; ++i) {
      programs.push_back(MakeProgram("job@" + std::to_string(i)));
      expected.push_back(node + "/" + programs.back().label());
    }
    Piece(node, 1, true, programs);
  }
  for (const size_t page : {1U, 7U, 50U, 1000U}) {
    for (const size_t budget : {1U, 3U, 51U, 1000U}) {
      EXPECT_EQ(Programs("", page, budget), expected) << page << " " << budget;
    }
  }
}

TEST_F(FleetProgramsTest, ARowThatGoesBetweenTwoPagesShiftsNothing) {
  Begin("a", 1);
  Piece("a", 1, true, {MakeProgram("a"), MakeProgram("b"), MakeProgram("c")});
  Labels seen;
  const auto visit = [&](const NodeRow&, const ProgramRow& program) {
    seen.push_back(program.name);
    return false;
  };
  const auto at = view_.VisitPrograms(Filter(), {}, 100, visit);
  ASSERT_TRUE(at.has_value());
  Change("a", 1, {}, {"a"});
  (void)view_.VisitPrograms(Filter(), *at, 100, visit);
  EXPECT_EQ(seen, (Labels{"a", "b"}));
}

TEST_F(FleetProgramsTest, RowsOfALostNodeStandAndAreReplacedByItsNextSnapshot) {
  Begin("a", 1);
  Piece("a", 1, true, {MakeProgram("web")});
  Silence(seconds(600));
  view_.JudgeNodes(liveness_);
  EXPECT_EQ(view_.FindNode("a")->state, NodeState::kLost);
  EXPECT_EQ(Programs(), (Labels{"a/web"}));
  Begin("a", 2);
  EXPECT_EQ(Programs(), (Labels{"a/web"})) << "until the new snapshot is complete";
  v1::SnapshotChunk piece;
  piece.set_snapshot(1);
  piece.set_last(true);
  view_.ApplySnapshot("a", 2, piece, now_);
  EXPECT_EQ(Programs(), Labels{});
}

TEST_F(FleetProgramsTest, MalformedRowsAreLeftOutAndCounted) {
  Begin("a", 1);
  v1::Program stateless = MakeProgram("x");
  stateless.clear_state();
  v1::Program huge = MakeProgram("y");
  huge.set_message(std::string(ProgramTable::kMostRowBytes, 'm'));
  Piece("a", 1, true,
        {MakeProgram(""), MakeProgram("web"), MakeProgram("web"), stateless, huge,
         MakeProgram("a\x1f"
                     "b"),
         MakeProgram(std::string(1025, 'l'))});
  EXPECT_EQ(Programs(), (Labels{"a/web"}));
  EXPECT_EQ(view_.malformed_rows(), 6);
}

TEST_F(FleetProgramsTest, MoreThanAnyNodeMayHaveBreaksTheProtocol) {
  Begin("a", 1);
  Piece("a", 1, true, {});
  std::vector<v1::Program> programs;
  for (size_t i = 0; i <= ProgramTable::kMostRows; ++i) {
    programs.push_back(MakeProgram(std::to_string(i)));
  }
  EXPECT_EQ(Change("a", 1, programs), Applied::kTooMany);
}

}  // namespace
}  // namespace procctl::controller
