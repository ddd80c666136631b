// One instance of a program, its clock and its world, in the hands of a test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "node/core/program_life.h"

namespace procctl::node {

class ProgramLifeTest : public ::testing::Test {
 protected:
  ProgramLifeTest() {
    spec_.name = "web";
    spec_.argv = {"/bin/web"};
    spec_.config.set_name("web");
    spec_.backoff.jitter_percent = 0;
  }

  void Make() {
    life_ = std::make_unique<ProgramLife>(std::make_shared<const ProgramSpec>(spec_), 1, 7, now_);
  }
  // What a guardian that takes over makes of the journal.
  void TakeOver() {
    const v1::ProgramRecord record = life_->Record();
    life_ =
        std::make_unique<ProgramLife>(std::make_shared<const ProgramSpec>(spec_), record, 7, now_);
  }
  void Advance(Nanos by) {
    now_.mono += by;
    now_.wall += absl::FromChrono(by);
  }
  ProgramLife::Do Look() { return life_->Look(now_, facts_, 0.5).what; }
  void Started() {
    ASSERT_EQ(Look(), ProgramLife::Do::kStart);
    v1::Incarnation incarnation;
    incarnation.set_boot_id("boot");
    incarnation.set_pid(++pid_);
    incarnation.set_start_ticks(pid_);
    incarnation.set_generation(pid_);
    life_->Started(now_, incarnation);
  }
  void Run() {
    Started();
    life_->Passed();
    life_->Ready(now_);
    ASSERT_EQ(life_->state(), v1::PROGRAM_STATE_RUNNING);
  }
  void End(v1::Cause cause, int exit_code = 0, int signal = 0) {
    ProgramEnd end;
    end.cause = cause;
    end.status_known = true;
    end.exit_code = exit_code;
    end.signal = signal;
    life_->Ended(now_, end, "", 0.5);
    life_->TreeGone(now_);
  }
  int Told(v1::EventKind kind) {
    int count = 0;
    for (ProgramLife::Notice& notice : life_->TakeNotices()) {
      if (notice.kind != kind) continue;
      ++count;
      last_ = std::move(notice);
    }
    return count;
  }

  ProgramSpec spec_;
  ProgramTime now_{MonoTime(std::chrono::seconds(1000)), absl::FromUnixSeconds(1'800'000'000)};
  ProgramLife::Facts facts_;
  std::unique_ptr<ProgramLife> life_;
  ProgramLife::Notice last_;
  int32_t pid_ = 100;
};

}  // namespace procctl::node
