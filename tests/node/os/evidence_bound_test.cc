#include "node/os/evidence_bound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace procctl::node {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

v1::Evidence WithThreads(int count, size_t frame_bytes) {
  v1::Evidence evidence;
  for (int i = 0; i < count; ++i) {
    v1::Thread* thread = evidence.add_threads();
    thread->set_tid(i + 1);
    thread->set_comm("worker");
    for (int frame = 0; frame < 16; ++frame) thread->add_stack(std::string(frame_bytes, 'f'));
  }
  return evidence;
}

TEST(BoundEvidence, WhatFitsIsNotTouched) {
  v1::Evidence evidence = WithThreads(32, 20);
  const std::string before = evidence.SerializeAsString();
  BoundEvidence(&evidence);
  EXPECT_EQ(evidence.SerializeAsString(), before);
}

TEST(BoundEvidence, StacksOfTheLastThreadsGoFirst) {
  v1::Evidence evidence = WithThreads(32, 100);
  BoundEvidence(&evidence);
  EXPECT_LE(evidence.ByteSizeLong(), kMostEvidenceBytes);
  EXPECT_EQ(evidence.threads_size(), 32);
  EXPECT_EQ(evidence.threads_left_out(), 0);
  EXPECT_EQ(evidence.threads(0).stack_size(), 16);
  EXPECT_THAT(evidence.threads(31).stack(), IsEmpty());
  EXPECT_THAT(evidence.missing(), Contains(HasSubstr("kernel stacks left out")));
}

TEST(BoundEvidence, ThenThreadsAreDroppedAndCounted) {
  v1::Evidence evidence = WithThreads(5000, 1);
  evidence.set_threads_left_out(7);
  BoundEvidence(&evidence);
  EXPECT_LE(evidence.ByteSizeLong(), kMostEvidenceBytes);
  EXPECT_GT(evidence.threads_size(), 100);
  EXPECT_EQ(evidence.threads_left_out(), 7 + 5000 - evidence.threads_size());
  EXPECT_THAT(evidence.missing(), Contains(HasSubstr("threads left out")));
}

TEST(BoundEvidence, FitsWhateverIsInIt) {
  const std::string huge(100'000, 'x');
  v1::Evidence evidence = WithThreads(40, 2000);
  for (int i = 0; i < 1000; ++i) {
    evidence.add_missing(std::string(100, 'm'));
    evidence.add_other_hearts()->set_label(std::string(300, 'h'));
  }
  for (int i = 0; i < 20'000; ++i) evidence.mutable_headroom()->add_gaps(1'000'000);
  evidence.set_cgroup(huge);
  evidence.set_note(huge);
  evidence.set_phase(huge);
  evidence.set_heart(huge);
  evidence.set_comm(huge);
  evidence.set_state(huge);
  evidence.set_beats(5);
  BoundEvidence(&evidence);
  EXPECT_LE(evidence.ByteSizeLong(), kMostEvidenceBytes);
  EXPECT_EQ(evidence.beats(), 5u);
  EXPECT_EQ(evidence.other_hearts_left_out(), 1000);
  EXPECT_THAT(evidence.missing(), Not(IsEmpty()));
}

}  // namespace
}  // namespace procctl::node
