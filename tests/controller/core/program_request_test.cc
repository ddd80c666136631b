// Requests about programs: what is taken, what is the same, what is said of those that cannot
// leave.
#include <gtest/gtest.h>

#include "controller/core/order_request.h"

namespace procctl::controller {
namespace {

v1::Incarnation MakeLife() {
  v1::Incarnation life;
  life.set_boot_id("boot");
  life.set_pid(4242);
  life.set_start_ticks(99);
  life.set_generation(7);
  return life;
}

OrderRequest MakeRequest(Act act, const std::string& program = "web@1") {
  OrderRequest request;
  request.id = "p";
  request.act = act;
  request.issuer = "operator/alice";
  request.targets.push_back({"a", program, {}, /*any_life=*/true});
  return request;
}

OrderRequest OfOneLife(Act act, const v1::Incarnation& life = MakeLife()) {
  OrderRequest request = MakeRequest(act);
  request.targets[0].incarnation = life;
  request.targets[0].any_life = false;
  return request;
}

std::string Check(const OrderRequest& request) { return CheckOrderRequest(request).ToString(); }

bool Says(const OrderRequest& request, std::string_view words) {
  return Check(request).find(words) != std::string::npos;
}

constexpr Act kOfPrograms[] = {Act::kProgramStart, Act::kProgramStop, Act::kProgramRestart,
                               Act::kProgramRetry};

TEST(ProgramRequest, NeedsAProgramAndNoReason) {
  for (const Act act : kOfPrograms) {
    EXPECT_EQ(Check(MakeRequest(act)), "OK");
    EXPECT_TRUE(Says(MakeRequest(act, ""), "targets[0]: program is empty"));
    EXPECT_TRUE(Says(MakeRequest(act, std::string(1025, 'p')), "program is over 1024 bytes"));
    EXPECT_EQ(Check(MakeRequest(act, std::string(1024, 'p'))), "OK");
  }
}

TEST(ProgramRequest, AReloadIsOfANode) {
  EXPECT_EQ(Check(MakeRequest(Act::kReload, "")), "OK");
  EXPECT_TRUE(Says(MakeRequest(Act::kReload), "leave program out"));
}

TEST(ProgramRequest, OnlyWhatEndsALifeMayNameOneAndThenWholly) {
  EXPECT_EQ(Check(OfOneLife(Act::kProgramStop)), "OK");
  EXPECT_EQ(Check(OfOneLife(Act::kProgramRestart)), "OK");
  EXPECT_TRUE(Says(OfOneLife(Act::kProgramStart), "leave it out"));
  EXPECT_TRUE(Says(OfOneLife(Act::kProgramRetry), "leave it out"));
  v1::Incarnation half = MakeLife();
  half.clear_generation();
  EXPECT_TRUE(Says(OfOneLife(Act::kProgramStop, half), "as ListPrograms showed them"));
  // Named, but empty: not the same as any.
  EXPECT_TRUE(Says(OfOneLife(Act::kProgramStop, {}), "incomplete"));
}

TEST(ProgramRequest, ASlotIsNeverMeantWithoutItsLife) {
  OrderRequest hold = MakeRequest(Act::kRelease);
  EXPECT_TRUE(Says(hold, "incomplete"));
  EXPECT_TRUE(Says(MakeRequest(Act::kStop), "incomplete"));
}

TEST(ProgramRequest, IsTheSameOnlyWithTheSameActProgramAndLife) {
  const OrderRequest request = MakeRequest(Act::kProgramStop);
  EXPECT_TRUE(SameTargets(request, MakeRequest(Act::kProgramStop)));
  EXPECT_FALSE(SameTargets(request, MakeRequest(Act::kProgramRestart)));
  EXPECT_FALSE(SameTargets(request, MakeRequest(Act::kProgramStop, "web@2")));
  EXPECT_FALSE(SameTargets(request, OfOneLife(Act::kProgramStop)));
}

TEST(ProgramRequest, TheVerdictOfOneThatNeverLeftIsAboutTheProgram) {
  const v1::Event event =
      RefusedVerdict(MakeRequest(Act::kProgramRestart), 0, v1::REFUSAL_NODE_UNREACHABLE, {});
  EXPECT_EQ(event.program(), "web@1");
  EXPECT_EQ(event.slot(), "");
  EXPECT_FALSE(event.has_incarnation());
  EXPECT_EQ(event.cause(), v1::CAUSE_UNSPECIFIED);
  EXPECT_EQ(event.message(), "node a has no session with this controller; nothing was restarted");
  EXPECT_TRUE(IsAnswer(Act::kProgramRestart, event));
  EXPECT_EQ(
      RefusedVerdict(MakeRequest(Act::kReload, ""), 0, v1::REFUSAL_UNSPECIFIED, {}).message(),
      "node a is of a version that knows no programs; update procctl there; its configuration was "
      "not read again");
  EXPECT_EQ(RefusedVerdict(OfOneLife(Act::kProgramStop), 0, v1::REFUSAL_NO_SUCH_NODE, {})
                .incarnation()
                .generation(),
            7);
}

}  // namespace
}  // namespace procctl::controller
