#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/story_parts.h"
#include "proto/support/time_convert.h"

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr int kPid = 100;

void AddThread(int tid, const std::string& comm, const std::string& state, const std::string& wchan,
               const std::string& syscall, v1::Evidence* evidence) {
  v1::Thread* thread = evidence->add_threads();
  thread->set_tid(tid);
  thread->set_comm(comm);
  thread->set_state(state);
  thread->set_wchan(wchan);
  thread->set_syscall(syscall);
}

Sentences Process(const v1::Evidence& evidence, const std::string& heart = "encoder") {
  Sentences out;
  TellProcess(evidence, heart, kPid, &out);
  return out;
}

Sentences Guardian(const v1::Evidence& evidence) {
  Sentences out;
  TellGuardian(evidence, &out);
  return out;
}

TEST(EvidenceStory, UninterruptibleThreadsComeFirst) {
  v1::Evidence evidence;
  AddThread(100, "media", "S", "do_wait", "wait4", &evidence);
  AddThread(101, "encoder", "S", "futex_wait_queue", "futex", &evidence);
  AddThread(102, "writer", "D", "nfs_wait_bit_killable", "", &evidence);
  EXPECT_THAT(Process(evidence),
              ElementsAre("When the guardian looked, thread 102 (writer) was in uninterruptible "
                          "sleep in nfs_wait_bit_killable (2 others were read as well)."));
}

TEST(EvidenceStory, ThenThoseWithTheHeartsName) {
  v1::Evidence evidence;
  AddThread(100, "media", "S", "do_wait", "", &evidence);
  AddThread(101, "encoder-of-long", "S", "futex_wait_queue", "281", &evidence);
  AddThread(102, "encoder-of-long", "R", "", "", &evidence);
  EXPECT_THAT(Process(evidence, "encoder-of-long-names"),
              ElementsAre("When the guardian looked, thread 101 (encoder-of-long) was sleeping in "
                          "futex_wait_queue, in system call number 281; thread 102 "
                          "(encoder-of-long) was running (1 other was read as well)."));
}

TEST(EvidenceStory, ThenAllThatWaitInOnePlace) {
  v1::Evidence evidence;
  for (int i = 0; i < 3; ++i) AddThread(100 + i, "w", "S", "futex_wait_queue", "futex", &evidence);
  evidence.set_threads_left_out(7);
  EXPECT_THAT(Process(evidence),
              ElementsAre("When the guardian looked, all 3 threads that were read were sleeping in "
                          "futex_wait_queue, in system call futex (7 more were not read)."));
}

TEST(EvidenceStory, ElseTheLeader) {
  v1::Evidence evidence;
  AddThread(100, "media", "S", "", "", &evidence);
  AddThread(101, "w", "R", "", "", &evidence);
  EXPECT_THAT(Process(evidence),
              ElementsAre("When the guardian looked, thread 100 (media) was sleeping (1 other was "
                          "read as well)."));
}

TEST(EvidenceStory, ManyInOnePlaceAreCounted) {
  v1::Evidence evidence;
  for (int i = 0; i < 6; ++i) AddThread(100 + i, "encoder", "D", "io_schedule", "", &evidence);
  EXPECT_THAT(Process(evidence),
              ElementsAre("When the guardian looked, threads 100 (encoder), 101 (encoder), 102 "
                          "(encoder), 103 (encoder) and 2 more were in uninterruptible sleep in "
                          "io_schedule."));
}

TEST(EvidenceStory, WithoutEvidenceNothingIsTold) {
  EXPECT_THAT(Process(v1::Evidence()), IsEmpty());
  EXPECT_THAT(Guardian(v1::Evidence()), IsEmpty());
}

TEST(EvidenceStory, OtherHeartsBeatOnOrAreQuiet) {
  v1::Evidence evidence;
  for (const auto& [label, silence] : {std::pair{"a", 100ms}, {"b", 2500ms}, {"c", 2501ms}}) {
    v1::OtherHeart* other = evidence.add_other_hearts();
    other->set_label(label);
    *other->mutable_silence() = ToProto(silence);
    *other->mutable_timeout() = ToProto(5s);
  }
  evidence.set_other_hearts_left_out(1);
  EXPECT_THAT(Process(evidence),
              ElementsAre("Of its other hearts a (silent 0.1s, limit 5s) and b (silent 2.5s, limit "
                          "5s) beat on.",
                          "Its other heart c (silent 2.501s, limit 5s) was quiet too.",
                          "1 more heart of it is not recorded."));
}

TEST(EvidenceStory, DescriptorsAreToldOnlyNearTheirLimit) {
  v1::Evidence evidence;
  evidence.set_fd_limit(100);
  evidence.set_open_fds(80);
  EXPECT_THAT(Process(evidence), IsEmpty());
  evidence.set_open_fds(81);
  EXPECT_THAT(Process(evidence), ElementsAre("It had 81 of at most 100 file descriptors open."));
  evidence.set_fd_limit(-1);
  EXPECT_THAT(Process(evidence), IsEmpty());
}

TEST(EvidenceStory, PressureIsToldOnlyAboveTenPercent) {
  v1::Evidence evidence;
  evidence.mutable_cpu_pressure()->set_known(true);
  evidence.mutable_cpu_pressure()->set_some(10);
  EXPECT_THAT(Process(evidence), IsEmpty());
  evidence.mutable_memory_pressure()->set_known(true);
  evidence.mutable_memory_pressure()->set_some(35.4);
  evidence.mutable_io_pressure()->set_some(99);  // the kernel offers none
  EXPECT_THAT(Process(evidence),
              ElementsAre("In the last 10s tasks of the host waited for memory 35 % of the time."));
}

TEST(EvidenceStory, TracerFreezerAndSwap) {
  v1::Evidence evidence;
  evidence.set_cgroup_frozen(true);
  evidence.set_tracer(99);
  evidence.set_resident(1024);
  evidence.set_swapped(2048);
  EXPECT_THAT(Process(evidence),
              ElementsAre("It held 1 KiB of memory (2 KiB more swapped out).",
                          "Its cgroup was frozen.", "A debugger (pid 99) was attached."));
}

TEST(EvidenceStory, AGuardianIsLateBeyondATenthOfTheLimit) {
  v1::Evidence evidence;
  *evidence.mutable_limit() = ToProto(5s);
  *evidence.mutable_guardian_worst_lag() = ToProto(500ms);
  EXPECT_THAT(Guardian(evidence), ElementsAre(HasSubstr("was on time")));
  *evidence.mutable_guardian_worst_lag() = ToProto(500ms + 1ns);
  EXPECT_THAT(Guardian(evidence),
              ElementsAre("The guardian itself was late: one of its scans came 0.5s late in the "
                          "last minute."));
}

TEST(EvidenceStory, WhatCouldNotBeReadIsSaid) {
  v1::Evidence evidence;
  evidence.set_timed_out(true);
  for (int i = 0; i < 6; ++i) evidence.add_missing("threads/" + std::to_string(i) + ": denied");
  Sentences out;
  TellMissing(evidence, &out);
  EXPECT_THAT(out, ElementsAre("Gathering this ran out of its time, so it may be incomplete.",
                               "Could not be read: \"threads/0: denied\", \"threads/1: denied\", "
                               "\"threads/2: denied\", \"threads/3: denied\" and 2 more."));
}

}  // namespace
}  // namespace procctl::cli
