// Hearts that find a guardian which comes later or takes another one's place.
//
// The library's clock is the test's: it stands still until the test moves it on. So no guardian is
// ever too slow for the library here, however slow the machine, unless the test wants it so.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "node/heartbeat/open_hearts.h"
#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace {

std::atomic<int64_t> clock_ns{1'000'000'000'000};
// Whether a wait in vain of this thread takes time, and how long it was ready to wait.
thread_local bool waits_take_time = false;
thread_local int longest_wait_ms = 0;

}  // namespace

extern "C" int __real_clock_gettime(clockid_t clock, timespec* now);
extern "C" int __wrap_clock_gettime(clockid_t clock, timespec* now) {
  if (clock != CLOCK_MONOTONIC_COARSE && clock != CLOCK_MONOTONIC) {
    return __real_clock_gettime(clock, now);
  }
  const int64_t ns = clock_ns;
  now->tv_sec = static_cast<time_t>(ns / 1'000'000'000);
  now->tv_nsec = static_cast<long>(ns % 1'000'000'000);
  return 0;
}

extern "C" int __real_poll(pollfd* fds, nfds_t count, int timeout_ms);
extern "C" int __wrap_poll(pollfd* fds, nfds_t count, int timeout_ms) {
  longest_wait_ms = std::max(longest_wait_ms, timeout_ms);
  const int ready = __real_poll(fds, count, timeout_ms);
  if (ready == 0 && waits_take_time) clock_ns += int64_t{timeout_ms} * 1'000'000;
  return ready;
}

namespace procctl::heartbeat {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kTick(1);

class Tend : public testing::Test {
 protected:
  Tend() { setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1); }
  ~Tend() override {
    procctl_close(&heart_);
    unsetenv("PROCCTL_HEARTBEAT_SOCKET");
  }

  static void Advance(nanoseconds time) { clock_ns += time.count(); }

  // Nobody is there yet.
  void OpenUnguarded() { ASSERT_EQ(procctl_open(&heart_, "encoder", 5000), -ENOENT); }
  void OpenGuarded() { ASSERT_EQ(procctl_open(&heart_, "encoder", 5000), 0); }
  static void LookFor(const FakeGuardian& guardian) {
    setenv("PROCCTL_HEARTBEAT_SOCKET", guardian.socket_path().c_str(), 1);
  }
  // Puts `successor` at the place where `guardian` was found, and lets it be looked for there.
  static void Replace(const FakeGuardian& guardian, const FakeGuardian& successor) {
    std::filesystem::rename(successor.socket_path(), guardian.socket_path());
    LookFor(guardian);
  }

  procctl_heart heart_ = PROCCTL_HEART_INIT;
};

FakeGuardian::Answerer Refusing(int error, const char* text, std::atomic<int>* asked) {
  return [=](int connection, const procctl_register_request&) {
    ++*asked;
    const procctl_register_answer answer = RefusedAnswer(error, text);
    SendAnswer(connection, &answer, sizeof(answer), {});
  };
}

// ---------------------------------------------------------------- no guardian at first

TEST_F(Tend, GuardianThatComesLaterTakesTheHeartAfterASecond) {
  OpenUnguarded();
  procctl_page* const page = heart_.page;
  FakeGuardian guardian;
  EXPECT_EQ(procctl_tend(&heart_), -ENOENT);
  Advance(seconds(1) - kTick);
  EXPECT_EQ(procctl_tend(&heart_), -ENOENT);
  EXPECT_EQ(guardian.slots(), 0U);
  Advance(kTick);
  EXPECT_EQ(procctl_tend(&heart_), 1);
  ASSERT_EQ(guardian.slots(), 1U);
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(1).name), "encoder");
  EXPECT_EQ(guardian.request(1).timeout_ms, 5000U);
  EXPECT_TRUE(procctl_is_guarded(&heart_));
  EXPECT_EQ(heart_.slot, 1U);
  EXPECT_EQ(heart_.page, page) << "other threads beat there";
  const uint64_t before = BeatsOf(guardian.page(1));
  EXPECT_GE(before, 1U);
  procctl_beat(&heart_);
  EXPECT_EQ(BeatsOf(guardian.page(1)), before + 1);
}

TEST_F(Tend, AsksForAllThatOpenAskedFor) {
  const procctl_options options = {5000, 60, 90, {}};
  ASSERT_EQ(procctl_open_with(&heart_, "encoder", &options), -ENOENT);
  FakeGuardian guardian;
  Advance(seconds(1));
  ASSERT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(guardian.long_request(1).progress_timeout_ms, 60U);
  EXPECT_EQ(guardian.long_request(1).start_grace_ms, 90U);
}

TEST_F(Tend, WhatWasSaidBeforeGoesAlong) {
  OpenUnguarded();
  procctl_progress(&heart_, 40);
  procctl_note(&heart_, "frame 12");
  procctl_phase(&heart_, "encoding");
  procctl_ready(&heart_);
  procctl_busy(&heart_, 7000);
  procctl_busy(&heart_, 9000);
  FakeGuardian guardian;
  Advance(seconds(1));
  ASSERT_EQ(procctl_tend(&heart_), 1);
  const procctl_page& page = guardian.page(1);
  EXPECT_EQ(page.progress, 40U);
  EXPECT_STREQ(page.note, "frame 12");
  EXPECT_STREQ(page.phase, "encoding");
  EXPECT_EQ(page.flags, PROCCTL_PAGE_READY | PROCCTL_PAGE_BUSY);
  EXPECT_EQ(page.busy_ms, 9000U);
  EXPECT_EQ(page.busy_count, 2U);
  procctl_busy_done(&heart_);
  EXPECT_EQ(page.flags, PROCCTL_PAGE_READY);
}

TEST_F(Tend, AbsentGuardianIsAskedEveryFiveSeconds) {
  std::atomic<int> asked{0};
  const FakeGuardian hangs_up([&](int, const procctl_register_request&) { ++asked; });
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -ECONNREFUSED);
  EXPECT_EQ(asked, 1);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), -ECONNREFUSED);
  EXPECT_EQ(asked, 2);
  for (int round = 0; round < 3; ++round) {
    Advance(seconds(5) - kTick);
    EXPECT_EQ(procctl_tend(&heart_), -ECONNREFUSED);
    EXPECT_EQ(asked, 2 + round);
    // A look was taken just now; the next one is due a second later.
    Advance(seconds(1));
    EXPECT_EQ(procctl_tend(&heart_), -ECONNREFUSED);
    EXPECT_EQ(asked, 3 + round);
  }
}

TEST_F(Tend, GuardianThatSaidNoIsAskedEveryMinute) {
  std::atomic<int> asked{0};
  const FakeGuardian guardian(Refusing(EDQUOT, "no slot left", &asked));
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -EDQUOT);
  Advance(seconds(60) - kTick);
  EXPECT_EQ(procctl_tend(&heart_), -EDQUOT);
  EXPECT_EQ(asked, 1);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), -EDQUOT);
  EXPECT_EQ(asked, 2);
  EXPECT_STREQ(procctl_open_error(), "no slot left");
  EXPECT_FALSE(procctl_is_guarded(&heart_));
}

TEST_F(Tend, AnotherGuardianInThePlaceOfOneThatSaidNoIsAskedAtOnce) {
  std::atomic<int> asked{0};
  const FakeGuardian stubborn(Refusing(EDQUOT, "no slot left", &asked));
  EXPECT_EQ(procctl_open(&heart_, "encoder", 5000), -EDQUOT);
  const FakeGuardian successor;
  Replace(stubborn, successor);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(successor.slots(), 1U);
  EXPECT_EQ(asked, 1);
}

TEST_F(Tend, SilentGuardianHoldsTheLoopUpForAFifthOfASecondAtMost) {
  OpenUnguarded();
  std::atomic<int> late_send_error{-1};
  {
    const FakeGuardian silent([&](int connection, const procctl_register_request&) {
      pollfd client_gone = {connection, POLLRDHUP, 0};
      poll(&client_gone, 1, 10'000);
      const procctl_register_answer answer = AcceptedAnswer(1);
      const int fd = MakePageFd();
      late_send_error = SendAnswer(connection, &answer, sizeof(answer), {fd});
      close(fd);
    });
    const DescriptorCount descriptors;
    Advance(seconds(1));
    longest_wait_ms = 0;
    waits_take_time = true;
    EXPECT_EQ(procctl_tend(&heart_), -ETIMEDOUT);
    waits_take_time = false;
    EXPECT_EQ(longest_wait_ms, 200);
    EXPECT_TRUE(descriptors.IsBack());
  }
  EXPECT_EQ(late_send_error, EPIPE);
  procctl_beat(&heart_);
}

TEST_F(Tend, LeavesErrnoAlone) {
  OpenUnguarded();
  Advance(seconds(1));
  errno = 77;
  EXPECT_EQ(procctl_tend(&heart_), -ENOENT);
  EXPECT_EQ(errno, 77);
}

TEST_F(Tend, ClosedHeartAsksNobody) {
  OpenUnguarded();
  procctl_close(&heart_);
  const FakeGuardian guardian;
  Advance(seconds(10));
  EXPECT_EQ(procctl_tend(&heart_), 0);
  EXPECT_EQ(guardian.slots(), 0U);
}

TEST_F(Tend, OpenedAnewItAsksForTheNewName) {
  OpenUnguarded();
  ASSERT_EQ(procctl_open(&heart_, "decoder", 7000), -ENOENT);
  const FakeGuardian guardian;
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  ASSERT_EQ(guardian.slots(), 1U);
  EXPECT_STREQ(reinterpret_cast<const char*>(guardian.request(1).name), "decoder");
}

TEST_F(Tend, HeartAtTheAddressOfAForgottenOneGetsAPageOfItsOwn) {
  // In a child: what is forgotten stays forgotten for the rest of a process.
  EXPECT_EQ(ExitStatusOfChild([this] {
              if (procctl_open(&heart_, "encoder", 5000) != -ENOENT) return 1;
              const procctl_heart moved = heart_;  // Its owner still beats there.
              heart_ = PROCCTL_HEART_INIT;
              if (procctl_tend(&heart_) != 0) return 2;  // This one was never opened.
              if (procctl_open(&heart_, "next", 5000) != -ENOENT) return 3;
              return heart_.page == moved.page ? 4 : 0;
            }),
            0);
}

TEST_F(Tend, CopyOfAnUnguardedHeartIsNotTendedAndOutlivesIt) {
  OpenUnguarded();
  procctl_heart copy = heart_;
  const FakeGuardian guardian;
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&copy), 0);
  EXPECT_EQ(guardian.slots(), 0U);
  procctl_close(&copy);
  EXPECT_EQ(procctl_tend(&heart_), 1);
  copy = heart_;
  procctl_close(&heart_);
  const uint64_t beats = BeatsOf(guardian.page(1));
  procctl_beat(&copy);
  EXPECT_EQ(BeatsOf(guardian.page(1)), beats);
}

TEST_F(Tend, HeartsThatNobodyEverClosesAreRememberedUpToALimit) {
  std::vector<procctl_heart> hearts(kMostRemembered + 20, procctl_heart PROCCTL_HEART_INIT);
  int tended = 0;
  std::set<procctl_page*> pages;
  for (procctl_heart& heart : hearts) {
    ASSERT_EQ(procctl_open(&heart, "one of many", 5000), -ENOENT);
    const int result = procctl_tend(&heart);
    EXPECT_TRUE(result == -ENOENT || result == 0) << result;
    if (result == -ENOENT) {
      ++tended;
      EXPECT_TRUE(pages.insert(heart.page).second) << "two tended hearts share a page";
    }
    procctl_beat(&heart);
  }
  EXPECT_EQ(tended, kMostRemembered);
  for (procctl_heart& heart : hearts) procctl_close(&heart);
  OpenUnguarded();
  EXPECT_EQ(procctl_tend(&heart_), -ENOENT) << "closed ones make room";
}

// ---------------------------------------------------------------- another guardian

TEST_F(Tend, GuardedHeartAsksNobody) {
  const FakeGuardian guardian;
  OpenGuarded();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(procctl_tend(&heart_), 1);
    Advance(seconds(1));
  }
  EXPECT_EQ(guardian.slots(), 1U);
}

TEST_F(Tend, AnotherGuardianInItsPlaceTakesTheHeartOver) {
  const FakeGuardian first, second;
  LookFor(first);
  const DescriptorCount descriptors;
  OpenGuarded();
  procctl_page* const page = heart_.page;
  procctl_progress(&heart_, 40);
  procctl_note(&heart_, "frame 12");
  procctl_phase(&heart_, "encoding");
  procctl_ready(&heart_);
  procctl_busy(&heart_, 9000);
  Replace(first, second);
  Advance(seconds(1) - kTick);
  EXPECT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(second.slots(), 0U);
  Advance(kTick);
  EXPECT_EQ(procctl_tend(&heart_), 1);
  ASSERT_EQ(second.slots(), 1U);
  EXPECT_EQ(heart_.page, page);

  const procctl_page& old_page = first.page(1);
  const procctl_page& new_page = second.page(1);
  EXPECT_EQ(new_page.progress, 40U);
  EXPECT_STREQ(new_page.note, "frame 12");
  EXPECT_STREQ(new_page.phase, "encoding");
  EXPECT_EQ(new_page.flags, PROCCTL_PAGE_READY | PROCCTL_PAGE_BUSY);
  EXPECT_EQ(new_page.busy_ms, 9000U);
  EXPECT_EQ(new_page.busy_count, 1U);
  EXPECT_EQ(FlagsOf(old_page) & PROCCTL_PAGE_CLOSED, PROCCTL_PAGE_CLOSED)
      << "a guardian that still reads it would take the silence for a hang";
  const uint64_t old_beats = BeatsOf(old_page);
  const uint64_t new_beats = BeatsOf(new_page);
  procctl_beat(&heart_);
  EXPECT_EQ(BeatsOf(old_page), old_beats);
  EXPECT_EQ(BeatsOf(new_page), new_beats + 1);
  procctl_close(&heart_);
  EXPECT_EQ(FlagsOf(new_page) & PROCCTL_PAGE_CLOSED, PROCCTL_PAGE_CLOSED);
  EXPECT_TRUE(descriptors.IsBack());
}

TEST_F(Tend, GuardianThatIsReplacedTwiceWithinSecondsIsFoundEachTime) {
  const FakeGuardian first, second, third;
  LookFor(first);
  OpenGuarded();
  Replace(first, second);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(second.slots(), 1U);
  Replace(first, third);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(third.slots(), 1U);
}

TEST_F(Tend, PageOfTheSecondGuardianIsSealedLikeThatOfTheFirst) {
  const FakeGuardian first;
  OpenGuarded();
  const FakeGuardian second;
  Replace(first, second);
  Advance(seconds(1));
  ASSERT_EQ(procctl_tend(&heart_), 1);
  ASSERT_EQ(second.slots(), 1U);
  EXPECT_EQ(write(heart_.fd, "x", 1), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(Tend, FileThatChangedWithoutANewNumberIsAnotherOne) {
  const FakeGuardian guardian;
  OpenGuarded();
  struct stat before, after;
  ASSERT_EQ(stat(guardian.socket_path().c_str(), &before), 0);
  // File times are coarser than this test is fast.
  do {
    ASSERT_EQ(chmod(guardian.socket_path().c_str(), before.st_mode & 07777), 0);
    ASSERT_EQ(stat(guardian.socket_path().c_str(), &after), 0);
  } while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
           after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
  ASSERT_EQ(after.st_ino, before.st_ino);
  Advance(seconds(5));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(guardian.slots(), 2U);
  EXPECT_EQ(heart_.slot, 2U);
}

TEST_F(Tend, SocketThatIsGoneChangesNothing) {
  const FakeGuardian guardian;
  OpenGuarded();
  std::filesystem::remove(guardian.socket_path());
  Advance(seconds(10));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  const uint64_t before = BeatsOf(guardian.page(1));
  procctl_beat(&heart_);
  EXPECT_EQ(BeatsOf(guardian.page(1)), before + 1);
}

TEST_F(Tend, SuccessorThatRefusesLeavesTheOldPageInPlace) {
  const FakeGuardian first;
  OpenGuarded();
  std::atomic<int> asked{0};
  const FakeGuardian second(Refusing(EDQUOT, "no slot left", &asked));
  Replace(first, second);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), -EDQUOT);
  EXPECT_EQ(procctl_tend(&heart_), -EDQUOT) << "until it is asked again";
  EXPECT_EQ(asked, 1);
  const uint64_t before = BeatsOf(first.page(1));
  procctl_beat(&heart_);
  EXPECT_EQ(BeatsOf(first.page(1)), before + 1);
  EXPECT_EQ(FlagsOf(first.page(1)) & PROCCTL_PAGE_CLOSED, 0U);
  EXPECT_TRUE(procctl_is_guarded(&heart_));
}

TEST_F(Tend, SuccessorThatSendsGarbageLeavesTheOldPageInPlace) {
  const FakeGuardian first;
  const FakeGuardian second([](int connection, const procctl_register_request&) {
    const procctl_register_answer answer = AcceptedAnswer(7);
    const int fd = MakePageFd({.magic = 1});
    SendAnswer(connection, &answer, sizeof(answer), {fd});
    close(fd);
  });
  LookFor(first);
  const DescriptorCount descriptors;
  OpenGuarded();
  Replace(first, second);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), -EPROTO);
  EXPECT_EQ(heart_.slot, 1U);
  const uint64_t before = BeatsOf(first.page(1));
  procctl_beat(&heart_);
  EXPECT_EQ(BeatsOf(first.page(1)), before + 1);
  procctl_close(&heart_);
  EXPECT_TRUE(descriptors.IsBack());
}

TEST_F(Tend, SuccessorThatWasNotReadyIsAskedAgain) {
  const FakeGuardian first;
  OpenGuarded();
  std::atomic<bool> ready{false};
  const FakeGuardian second([&](int connection, const procctl_register_request&) {
    if (!ready) return;
    const procctl_register_answer answer = AcceptedAnswer(7);
    const int fd = MakePageFd();
    SendAnswer(connection, &answer, sizeof(answer), {fd});
    close(fd);
  });
  Replace(first, second);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), -ECONNREFUSED);
  ready = true;
  Advance(seconds(4));
  EXPECT_EQ(procctl_tend(&heart_), -ECONNREFUSED);
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), 1);
  EXPECT_EQ(heart_.slot, 7U);
}

// ---------------------------------------------------------------- children and threads

TEST_F(Tend, ChildTendsOnlyWhatItOpenedItself) {
  OpenUnguarded();
  procctl_heart guarded = PROCCTL_HEART_INIT;
  const FakeGuardian guardian;
  ASSERT_EQ(procctl_open(&guarded, "guarded", 5000), 0);
  EXPECT_EQ(ExitStatusOfChild([&] {
              Advance(seconds(10));
              if (procctl_tend(&heart_) != 0) return 1;
              if (procctl_tend(&guarded) != 0) return 2;
              return 0;
            }),
            0);
  EXPECT_EQ(guardian.slots(), 1U) << "a child asked for its parent";
  EXPECT_EQ(ExitStatusOfChild([&] {
              setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
              if (procctl_open(&heart_, "child", 5000) != -ENOENT) return 1;
              setenv("PROCCTL_HEARTBEAT_SOCKET", guardian.socket_path().c_str(), 1);
              Advance(seconds(1));
              if (procctl_tend(&heart_) != 1) return 2;
              procctl_note(&heart_, "child");
              return 0;
            }),
            0);
  ASSERT_EQ(guardian.slots(), 2U);
  EXPECT_STREQ(guardian.page(2).note, "child");
  Advance(seconds(1));
  EXPECT_EQ(procctl_tend(&heart_), 1) << "the parent is none the worse";
  procctl_close(&guarded);
}

TEST_F(Tend, NothingThatOtherThreadsSayIsLostWhenTheGuardianChanges) {
  const FakeGuardian first, second;
  LookFor(first);
  OpenGuarded();
  std::atomic<bool> stop{false};
  std::atomic<int> looks{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!stop) {
      procctl_progress(&heart_, 1);
      procctl_phase(&heart_, "working");
    }
  });
  threads.emplace_back([&] {
    while (!stop) {
      procctl_busy(&heart_, 1000);
      procctl_busy_done(&heart_);
      ++looks;
    }
    procctl_busy(&heart_, 4321);
    procctl_failed(&heart_, "end of test");
  });
  threads.emplace_back([&] {
    while (!stop) {
      procctl_tend(&heart_);
      procctl_is_guarded(&heart_);
    }
  });
  threads.emplace_back([&] {
    while (looks < 3) std::this_thread::yield();
    procctl_ready(&heart_);
  });

  const std::string aside = first.socket_path() + ".aside";
  int changes = 0;
  const auto slots = [&] { return first.slots() + second.slots(); };
  const auto end = std::chrono::steady_clock::now() + seconds(20);
  for (; changes < 100 && std::chrono::steady_clock::now() < end; ++changes) {
    // The two sockets change places.
    std::filesystem::rename(first.socket_path(), aside);
    std::filesystem::rename(second.socket_path(), first.socket_path());
    std::filesystem::rename(aside, second.socket_path());
    const size_t before = slots();
    while (slots() == before && std::chrono::steady_clock::now() < end) {
      Advance(seconds(1));
      procctl_tend(&heart_);
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(changes, 1);
  ASSERT_TRUE(procctl_is_guarded(&heart_));
  EXPECT_EQ(heart_.page->flags, PROCCTL_PAGE_READY | PROCCTL_PAGE_BUSY | PROCCTL_PAGE_FAILED);
  EXPECT_EQ(heart_.page->busy_ms, 4321U);
  EXPECT_STREQ(heart_.page->note, "end of test");
  EXPECT_STREQ(heart_.page->phase, "working");

  // Of all pages that the heart got exactly one is not given back. One without a beat came too late
  // for it: the clock moves on under its tries here.
  size_t open_pages = 0;
  for (const FakeGuardian* guardian : {&first, &second}) {
    for (size_t slot = 1; slot <= guardian->slots(); ++slot) {
      const procctl_page& page = guardian->page(slot);
      if (BeatsOf(page) == 0) continue;
      open_pages += (FlagsOf(page) & PROCCTL_PAGE_CLOSED) == 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(open_pages, 1U);
}

TEST_F(Tend, ForkWhileAnotherThreadTendsLeavesTheChildAlone) {
  const FakeGuardian first, second;
  LookFor(first);
  OpenGuarded();
  std::atomic<bool> stop{false};
  std::thread tender([&] {
    const std::string aside = first.socket_path() + ".aside";
    while (!stop) {
      std::filesystem::rename(first.socket_path(), aside);
      std::filesystem::rename(second.socket_path(), first.socket_path());
      std::filesystem::rename(aside, second.socket_path());
      Advance(seconds(5));
      procctl_tend(&heart_);
      procctl_beat(&heart_);
    }
  });
  for (int i = 0; i < 60; ++i) {
    const int status = ExitStatusOfChild([&] {
      procctl_beat(&heart_);
      procctl_failed(&heart_, "I am the child");
      Advance(seconds(10));
      return procctl_tend(&heart_) == 0 ? 0 : 1;
    });
    ASSERT_EQ(status, 0) << "child " << i;
  }
  stop = true;
  tender.join();
  EXPECT_GT(first.slots() + second.slots(), 1U);
  for (const FakeGuardian* guardian : {&first, &second}) {
    for (size_t slot = 1; slot <= guardian->slots(); ++slot) {
      EXPECT_EQ(FlagsOf(guardian->page(slot)) & PROCCTL_PAGE_FAILED, 0U);
    }
  }
}

}  // namespace
}  // namespace procctl::heartbeat
