// The deciders that are one function each: event cursor, access, refusal gate, accept policy.
#include <gtest/gtest.h>

#include <cerrno>

#include "controller/core/accept_policy.h"
#include "controller/core/access.h"
#include "controller/core/event_cursor.h"
#include "controller/core/refusal_gate.h"

namespace procctl::controller {
namespace {

v1::Event Numbered(std::int64_t seq) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_HUNG);
  event.mutable_id()->set_origin("a");
  event.mutable_id()->set_epoch(1);
  event.mutable_id()->set_seq(seq);
  return event;
}

v1::Event Lost(std::int64_t first, std::int64_t last) {
  v1::Event event = Numbered(last);
  event.set_kind(v1::EVENT_KIND_EVENTS_LOST);
  event.mutable_lost()->set_first_seq(first);
  event.mutable_lost()->set_last_seq(last);
  return event;
}

TEST(EventCursor, OnlyTheNextNumberFollows) {
  EXPECT_EQ(JudgeArrival(5, Numbered(5)), Arrival::kDuplicate);
  EXPECT_EQ(JudgeArrival(5, Numbered(6)), Arrival::kNext);
  EXPECT_EQ(JudgeArrival(5, Numbered(7)), Arrival::kGap);
  EXPECT_EQ(JudgeArrival(0, Numbered(1)), Arrival::kNext);
}

TEST(EventCursor, ALostRangeFollowsIfItBeginsInTime) {
  EXPECT_EQ(JudgeArrival(5, Lost(6, 90)), Arrival::kNext);
  EXPECT_EQ(JudgeArrival(5, Lost(3, 90)), Arrival::kNext) << "part of it was committed before";
  EXPECT_EQ(JudgeArrival(5, Lost(7, 90)), Arrival::kGap);
  EXPECT_EQ(JudgeArrival(5, Lost(1, 5)), Arrival::kDuplicate);
}

TEST(EventCursor, AnEventThatWouldBreakTheNumberingIsRefused) {
  EXPECT_TRUE(CheckEventIdentity(Numbered(1), "a").ok());
  EXPECT_FALSE(CheckEventIdentity(Numbered(1), "b").ok());
  EXPECT_FALSE(CheckEventIdentity(Numbered(0), "a").ok());
  EXPECT_FALSE(CheckEventIdentity(v1::Event(), "a").ok());
  EXPECT_TRUE(CheckEventIdentity(Lost(1, 4), "a").ok());
  EXPECT_FALSE(CheckEventIdentity(Lost(5, 4), "a").ok());
  v1::Event early = Lost(1, 4);
  early.mutable_id()->set_seq(3);
  EXPECT_FALSE(CheckEventIdentity(early, "a").ok());
}

constexpr char kList[] = "/procctl.v1.FleetService/ListSlots";
constexpr char kKill[] = "/procctl.v1.FleetService/KillSlots";
constexpr char kSession[] = "/procctl.v1.NodeService/Session";

TEST(Access, PeoplesRolesRiseAndMachinesStandBeside) {
  EXPECT_TRUE(CheckAccess(kList, Role::kViewer).ok());
  EXPECT_TRUE(CheckAccess(kList, Role::kAdmin).ok());
  EXPECT_FALSE(CheckAccess(kList, Role::kNode).ok());
  EXPECT_FALSE(CheckAccess(kList, Role::kController).ok());
  EXPECT_FALSE(CheckAccess(kKill, Role::kViewer).ok());
  EXPECT_TRUE(CheckAccess(kKill, Role::kOperator).ok());
  EXPECT_TRUE(CheckAccess(kKill, Role::kAdmin).ok());
  EXPECT_TRUE(CheckAccess(kSession, Role::kNode).ok());
  EXPECT_FALSE(CheckAccess(kSession, Role::kAdmin).ok());
}

TEST(EventCursor, AnEventLargerThanAnyNodesIsRefused) {
  v1::Event event;
  event.mutable_id()->set_origin("a");
  event.mutable_id()->set_epoch(1);
  event.mutable_id()->set_seq(1);
  event.mutable_evidence()->set_note(std::string(32 * 1024, 'x'));
  EXPECT_TRUE(CheckEventIdentity(event, "a").ok());
  event.mutable_evidence()->set_note(std::string(kMostEventBytes, 'x'));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckEventIdentity(event, "a")));
}

TEST(Access, AMethodWithoutARowIsRefusedToEverybody) {
  for (const Role role : {Role::kNode, Role::kViewer, Role::kOperator, Role::kAdmin}) {
    EXPECT_EQ(CheckAccess("/procctl.v1.FleetService/Format", role).code(),
              absl::StatusCode::kPermissionDenied);
  }
}

TEST(Access, TheRefusalSaysWhatIsNeeded) {
  EXPECT_EQ(CheckAccess(kKill, Role::kViewer).message(),
            "KillSlots needs the role operator or admin; this certificate has another");
}

TEST(RefusalGate, RecordsTheFirstAndCountsWhatItHoldsBack) {
  RefusalGate gate;
  const MonoTime start{std::chrono::seconds(9)};
  EXPECT_EQ(gate.Admit("viewer/bob", kKill, start), 0);
  EXPECT_EQ(gate.Admit("viewer/bob", kKill, start), std::nullopt);
  EXPECT_EQ(gate.Admit("viewer/bob", kKill, start + RefusalGate::kEvery - MonoClock::duration(1)),
            std::nullopt);
  EXPECT_EQ(gate.Admit("viewer/eve", kKill, start), 0);
  EXPECT_EQ(gate.Admit("viewer/bob", kKill, start + RefusalGate::kEvery), 2);
}

TEST(RefusalGate, IsBoundedAndForgetsTheOldFirst) {
  RefusalGate gate;
  const MonoTime start{std::chrono::seconds(9)};
  for (size_t i = 0; i < RefusalGate::kMostKeys; ++i) {
    EXPECT_TRUE(gate.Admit(std::to_string(i), kKill, start));
  }
  EXPECT_FALSE(gate.Admit("one more", kKill, start));
  EXPECT_TRUE(gate.Admit("one more", kKill, start + RefusalGate::kEvery));
}

TEST(AcceptPolicy, ShedsFromTheCeilingOn) {
  EXPECT_EQ(JudgeAccept(0, 223, 224), AcceptAction::kHandOver);
  EXPECT_EQ(JudgeAccept(0, 224, 224), AcceptAction::kShed);
}

TEST(AcceptPolicy, NoErrorOfAConnectionEndsTheListener) {
  for (const int error : {EINTR, ECONNABORTED, EPERM, EPROTO, ENETDOWN, EHOSTUNREACH, ETIMEDOUT}) {
    EXPECT_EQ(JudgeAccept(error, -1, 224), AcceptAction::kRetry) << error;
  }
  EXPECT_EQ(JudgeAccept(EAGAIN, -1, 224), AcceptAction::kWait);
  EXPECT_EQ(JudgeAccept(EMFILE, -1, 224), AcceptAction::kUseReserve);
  EXPECT_EQ(JudgeAccept(ENFILE, -1, 224), AcceptAction::kUseReserve);
  EXPECT_EQ(JudgeAccept(ENOMEM, -1, 224), AcceptAction::kBackOff);
  EXPECT_EQ(JudgeAccept(EBADF, -1, 224), AcceptAction::kBroken);
}

TEST(AcceptPolicy, PausesGrowToASecondAndNoFurther) {
  EXPECT_EQ(AcceptPause(0).count(), 10);
  EXPECT_EQ(AcceptPause(3).count(), 80);
  EXPECT_EQ(AcceptPause(1000).count(), 1000);
}

TEST(AcceptPolicy, KeepsAReserveOfDescriptors) {
  EXPECT_EQ(AcceptCeiling(262144), 262112);
  EXPECT_EQ(AcceptCeiling(256), 224);
  EXPECT_EQ(AcceptCeiling(64), 48);
}

}  // namespace
}  // namespace procctl::controller
