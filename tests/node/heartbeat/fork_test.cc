// A forked child neither beats for its parent nor crashes, and may have hearts of its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace procctl::heartbeat {
namespace {

TEST(Fork, ChildBeatsForNobody) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "parent", 5000), 0);
  procctl_page* const page = heart.page;
  const uint64_t before = BeatsOf(guardian.page(1));
  const int status = ExitStatusOfChild([&heart, page] {
    for (int i = 0; i < 100; ++i) procctl_beat(&heart);
    procctl_progress(&heart, 100);
    procctl_note(&heart, "I am the child");
    // Also through the old address, which somebody may have kept.
    page->beats += 100;
    return procctl_is_guarded(&heart) ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(BeatsOf(guardian.page(1)), before);
  EXPECT_EQ(guardian.page(1).progress, 0U);
  EXPECT_STREQ(guardian.page(1).note, "");
  EXPECT_TRUE(procctl_is_guarded(&heart));
  procctl_beat(&heart);
  EXPECT_EQ(BeatsOf(guardian.page(1)), before + 1);
  procctl_close(&heart);
}

TEST(Fork, ChildThatClosesDoesNotGiveBackTheParentsSlot) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "parent", 5000), 0);
  EXPECT_EQ(ExitStatusOfChild([&heart] {
              procctl_close(&heart);
              procctl_beat(&heart);
              return 0;
            }),
            0);
  EXPECT_EQ(guardian.page(1).flags & PROCCTL_PAGE_CLOSED, 0U);
  procctl_close(&heart);
}

TEST(Fork, ChildSaysNothingForItsParentAndTendsNothing) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "parent", 5000), 0);
  procctl_ready(&heart);
  EXPECT_EQ(ExitStatusOfChild([&heart] {
              procctl_failed(&heart, "I am the child");
              procctl_busy(&heart, 1000);
              procctl_phase(&heart, "child");
              return procctl_tend(&heart);
            }),
            0);
  EXPECT_EQ(guardian.page(1).flags, PROCCTL_PAGE_READY);
  EXPECT_EQ(guardian.page(1).busy_count, 0U);
  EXPECT_STREQ(guardian.page(1).note, "");
  EXPECT_STREQ(guardian.page(1).phase, "");
  procctl_close(&heart);
}

TEST(Fork, ParentsUnguardedHeartDoesNotBeatForTheChildsOwn) {
  procctl_heart parents = PROCCTL_HEART_INIT;
  setenv("PROCCTL_HEARTBEAT_SOCKET", "", 1);
  ASSERT_EQ(procctl_open(&parents, "parent", 5000), -ENOENT);
  FakeGuardian guardian;
  EXPECT_EQ(ExitStatusOfChild([&parents] {
              procctl_heart own = PROCCTL_HEART_INIT;
              if (procctl_open(&own, "child", 5000) != 0) return 1;
              for (int i = 0; i < 10; ++i) procctl_beat(&parents);
              procctl_failed(&parents, "not the child's own heart");
              return own.page == parents.page ? 2 : 0;
            }),
            0);
  ASSERT_EQ(guardian.slots(), 1U);
  EXPECT_EQ(BeatsOf(guardian.page(1)), 1U);
  EXPECT_EQ(guardian.page(1).flags, 0U);
  procctl_close(&parents);
}

TEST(Fork, ChildHoldsNoDescriptorAndNoSharedMappingOfThePage) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "parent", 5000), 0);
  const int fd = heart.fd;
  const auto writable_pages = [] {
    std::ifstream maps("/proc/self/maps");
    int count = 0;
    for (std::string line; std::getline(maps, line);) {
      // The fake guardian's own mapping, in this same process, is r--s.
      if (line.find("memfd:page") != std::string::npos && line.find("rw-s") != std::string::npos) {
        ++count;
      }
    }
    return count;
  };
  ASSERT_EQ(writable_pages(), 1);
  EXPECT_EQ(ExitStatusOfChild([&] {
              if (fcntl(fd, F_GETFD) != -1) return 1;
              return writable_pages() == 0 ? 0 : 2;
            }),
            0);
  procctl_close(&heart);
}

TEST(Fork, ChildMayRegisterItself) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "parent", 5000), 0);
  EXPECT_EQ(ExitStatusOfChild([&heart] {
              if (procctl_open(&heart, "child", 5000) != 0) return 1;
              procctl_beat(&heart);
              procctl_beat(&heart);
              return procctl_is_guarded(&heart) ? 0 : 2;
            }),
            0);
  ASSERT_EQ(guardian.slots(), 2U);
  EXPECT_EQ(BeatsOf(guardian.page(1)), 1U);
  EXPECT_EQ(BeatsOf(guardian.page(2)), 3U);
  procctl_close(&heart);
}

TEST(Fork, GrandchildIsCutOffFromTheChild) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "parent", 5000), 0);
  EXPECT_EQ(ExitStatusOfChild([&heart] {
              if (procctl_open(&heart, "child", 5000) != 0) return 1;
              return ExitStatusOfChild([&heart] {
                for (int i = 0; i < 10; ++i) procctl_beat(&heart);
                return procctl_is_guarded(&heart);
              });
            }),
            0);
  EXPECT_EQ(BeatsOf(guardian.page(1)), 1U);
  EXPECT_EQ(BeatsOf(guardian.page(2)), 1U);
  procctl_close(&heart);
}

TEST(Fork, ClosedHeartsAreNotTouchedInTheChild) {
  FakeGuardian guardian;
  procctl_heart heart = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&heart, "short", 5000), 0);
  const int freed_number = heart.fd;
  procctl_close(&heart);
  ASSERT_EQ(dup2(STDERR_FILENO, freed_number), freed_number);  // Now somebody else's.
  EXPECT_EQ(ExitStatusOfChild([=] { return fcntl(freed_number, F_GETFD) == -1 ? 1 : 0; }), 0);
  close(freed_number);
}

TEST(Fork, WhileOtherThreadsOpenAndCloseNobodyDeadlocksOrCrashes) {
  FakeGuardian guardian;
  procctl_heart kept = PROCCTL_HEART_INIT;
  ASSERT_EQ(procctl_open(&kept, "kept", 5000), 0);
  constexpr int kThreads = 3;
  std::vector<procctl_heart> hearts(kThreads, procctl_heart PROCCTL_HEART_INIT);
  std::atomic<bool> stop{false};
  std::atomic<int> opened{0};
  std::vector<std::thread> threads;
  for (procctl_heart& heart : hearts) {
    threads.emplace_back([&heart, &stop, &opened] {
      while (!stop) {
        if (procctl_open(&heart, "busy", 5000) == 0) ++opened;
        procctl_beat(&heart);
        procctl_close(&heart);
      }
    });
  }
  const uint64_t before = BeatsOf(guardian.page(1));
  for (int i = 0; i < 60; ++i) {
    const int status = ExitStatusOfChild([&] {
      for (procctl_heart& heart : hearts) procctl_beat(&heart);
      procctl_beat(&kept);
      if (procctl_is_guarded(&kept)) return 1;
      procctl_heart own = PROCCTL_HEART_INIT;
      if (procctl_open(&own, "child", 5000) != 0) return 2;
      procctl_beat(&own);
      procctl_close(&own);
      return 0;
    });
    ASSERT_EQ(status, 0) << "child " << i;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(opened, 0);
  EXPECT_EQ(BeatsOf(guardian.page(1)), before);
  procctl_close(&kept);
}

}  // namespace
}  // namespace procctl::heartbeat
