// The expected numbers were computed apart from this code, from the description in the header: they
// are the protocol, and must never change.
#include "proto/support/row_digest.h"

#include <gtest/gtest.h>

#include <set>

namespace procctl {
namespace {

v1::Slot PlainSlot() {
  v1::Slot slot;
  slot.set_label("encoder");
  slot.set_state(v1::SLOT_STATE_ALIVE);
  slot.mutable_incarnation()->set_generation(7);
  slot.mutable_incarnation()->set_pid(4242);
  slot.mutable_incarnation()->set_start_ticks(99);
  return slot;
}

v1::Slot HeldSlot() {
  v1::Slot slot;
  slot.set_label("encoder.2");
  slot.set_state(v1::SLOT_STATE_HELD);
  slot.set_observe(true);
  slot.mutable_hold()->set_owner("operator/alice");
  slot.mutable_incarnation()->set_generation(8);
  slot.mutable_incarnation()->set_pid(4243);
  slot.mutable_incarnation()->set_start_ticks(100);
  return slot;
}

TEST(RowDigest, IsWhatTheProtocolSays) {
  v1::Program program;
  program.set_label("web@1");
  program.set_state(v1::PROGRAM_STATE_RUNNING);
  program.mutable_incarnation()->set_generation(7);
  EXPECT_EQ(RowDigest(PlainSlot()), 1327069362773919502U);
  EXPECT_EQ(RowDigest(HeldSlot()), 4104493365209793094U);
  EXPECT_EQ(RowDigest(program), 4040613610450332884U);
  EXPECT_EQ(RowDigest(PlainSlot()) + RowDigest(HeldSlot()) + RowDigest(program),
            9472176338434045480U);
}

TEST(RowDigest, EachFieldOfItTells) {
  std::set<std::uint64_t> seen{RowDigest(PlainSlot())};
  const auto expect_new = [&](auto change) {
    v1::Slot slot = PlainSlot();
    change(&slot);
    EXPECT_TRUE(seen.insert(RowDigest(slot)).second) << slot.ShortDebugString();
  };
  expect_new([](v1::Slot* slot) { slot->set_label("encodes"); });
  expect_new([](v1::Slot* slot) { slot->set_state(v1::SLOT_STATE_QUIET); });
  expect_new([](v1::Slot* slot) { slot->set_observe(true); });
  expect_new([](v1::Slot* slot) { slot->mutable_hold(); });
  expect_new([](v1::Slot* slot) { slot->mutable_hold()->set_owner("operator/bob"); });
  expect_new([](v1::Slot* slot) { slot->mutable_incarnation()->set_generation(8); });
  expect_new([](v1::Slot* slot) { slot->mutable_incarnation()->set_pid(4243); });
  expect_new([](v1::Slot* slot) { slot->mutable_incarnation()->set_start_ticks(100); });
  v1::Program program;
  program.set_label("encoder");
  program.set_state(v1::PROGRAM_STATE_STOPPED);
  EXPECT_TRUE(seen.insert(RowDigest(program)).second);
  program.mutable_incarnation()->set_generation(1);
  EXPECT_TRUE(seen.insert(RowDigest(program)).second);
}

TEST(RowDigest, WhatChangesWithoutAReportIsNotInIt) {
  v1::Slot slot = PlainSlot();
  slot.mutable_silence()->set_seconds(3);
  slot.set_note("last words");
  slot.set_phase("reindex");
  slot.mutable_incarnation()->set_boot_id("boot");
  EXPECT_EQ(RowDigest(slot), RowDigest(PlainSlot()));
}

}  // namespace
}  // namespace procctl
