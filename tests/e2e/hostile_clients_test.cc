// Clients that lie, flood and vandalise: clear refusals, bounded memory, no scan missed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "node/heartbeat/register_frame.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/moody_children.h"

namespace procctl::e2e {
namespace {

int ResidentKb(pid_t pid) {
  const std::string status = ReadFile("/proc/" + std::to_string(pid) + "/status");
  const size_t at = status.find("VmRSS:");
  return at == std::string::npos ? 0 : atoi(status.c_str() + at + strlen("VmRSS:"));
}

int Connect(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

// No STALL: the guardian looked at everybody on time throughout.
void ExpectNoScanMissed(Fleet& fleet) {
  for (const v1::Event& event : fleet.Events("kind=stall")) ADD_FAILURE() << event.message();
}

class HostileClients : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet_.StartController();
    NodeOptions options;
    options.yaml = "heartbeat: {max_slots: 6000, max_slots_per_user: 5500}";
    node_ = &fleet_.StartNode("n1", options);
    fleet_.AwaitConnected(1);
  }
  Fleet fleet_{{"n1"}};
  Node* node_ = nullptr;
};

TEST_F(HostileClients, FiveThousandRegistrationsInARowMissNoScan) {
  const pid_t guardian = node_->guardian().pid();
  const int before = ResidentKb(guardian);
  MoodyChildren guarded(*node_, "w", 3, 1s);
  Child crowd = Child::Fork([&] {
    std::vector<procctl_heart> hearts(5000, procctl_heart PROCCTL_HEART_INIT);
    int refused = 0;
    for (size_t i = 0; i < hearts.size(); ++i)
      refused += OpenHeart(&hearts[i], *node_, "crowd-" + std::to_string(i), 60s) == 0 ? 0 : 1;
    return refused == 0 ? 0 : 1;
  });
  const std::optional<int> status = crowd.WaitExit(60s);
  ASSERT_TRUE(status);
  EXPECT_EQ(*status, 0);
  EXPECT_EQ(guarded.Running(), 3);
  EXPECT_LE(ResidentKb(guardian) - before, 100 * 1024);
  ExpectNoScanMissed(fleet_);
}

TEST_F(HostileClients, AUsersQuotaIsAClearRefusal) {
  Child greedy = Child::Fork([&] {
    std::vector<procctl_heart> hearts(5501, procctl_heart PROCCTL_HEART_INIT);
    int last = 0;
    for (size_t i = 0; i < hearts.size(); ++i)
      last = OpenHeart(&hearts[i], *node_, "greedy-" + std::to_string(i), 60s);
    return last == -EDQUOT && std::strstr(procctl_open_error(), "5500") != nullptr ? 0 : 1;
  });
  const std::optional<int> status = greedy.WaitExit(60s);
  ASSERT_TRUE(status);
  EXPECT_EQ(*status, 0);
}

TEST_F(HostileClients, AMillionMalformedPacketsLeaveItAsItWas) {
  const pid_t guardian = node_->guardian().pid();
  MoodyChildren guarded(*node_, "w", 3, 1s);
  Child flooder = Child::Fork([&] {
    std::mt19937_64 random(7);
    char bytes[512];
    // As many to a connection as go in before the guardian hangs up.
    for (int sent = 0; sent < 1'000'000;) {
      const int fd = Connect(node_->socket());
      if (fd < 0) {
        ++sent;  // a connection refused is a packet refused
        continue;
      }
      for (int i = 0; i < 64 && sent < 1'000'000; ++i, ++sent) {
        for (size_t at = 0; at + 8 <= sizeof bytes; at += 8) {
          const uint64_t word = random();
          std::memcpy(bytes + at, &word, sizeof word);
        }
        if (send(fd, bytes, random() % sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
      }
      close(fd);
    }
    return 0;
  });
  const int before = ResidentKb(guardian);
  const std::optional<int> status = flooder.WaitExit(150s);
  ASSERT_TRUE(status);
  EXPECT_EQ(*status, 0);
  EXPECT_EQ(guarded.Running(), 3);
  EXPECT_LE(ResidentKb(guardian) - before, 50 * 1024);
  ExpectNoScanMissed(fleet_);
  EXPECT_FALSE(fleet_.Events("kind=registration_refused").empty());
  // And a hang is still a hang.
  guarded.Set(0, MoodyChildren::Mood::kSilent);
  EXPECT_TRUE(guarded[0].WaitExit(15s));
}

TEST_F(HostileClients, WhoeverVandalisesItsPageHarmsItselfAlone) {
  MoodyChildren guarded(*node_, "w", 3, 1s);
  const auto vandal = [&](const std::string& name,
                          const std::function<void(procctl_heart*)>& deed) {
    return GuardedChild(*node_, name, 1s, [deed](procctl_heart* heart) {
      deed(heart);
      Hang();
    });
  };
  std::vector<Child> vandals;
  vandals.push_back(vandal("truncates", [](procctl_heart* h) { (void)!ftruncate(h->fd, 0); }));
  vandals.push_back(vandal("grows", [](procctl_heart* h) { (void)!ftruncate(h->fd, 1 << 20); }));
  vandals.push_back(vandal("punches", [](procctl_heart* h) {
    (void)fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
  }));
  vandals.push_back(
      vandal("removes", [](procctl_heart* h) { (void)madvise(h->page, 4096, MADV_REMOVE); }));
  vandals.push_back(vandal("unmaps", [](procctl_heart* h) { munmap(h->page, 4096); }));
  vandals.push_back(vandal("scribbles", [](procctl_heart* h) {
    std::memset(static_cast<void*>(h->page), 0xff, sizeof *h->page);
    h->page->flags = 0;
  }));
  // None of them beats: each is stopped, or (where its page reads as one that nobody took up) let
  // go.
  for (Child& child : vandals) {
    EXPECT_TRUE(Eventually(20s, [&] {
      if (!child.Running()) return true;
      for (const v1::FleetSlot& slot : fleet_.Slots()) {
        if (slot.slot().incarnation().pid() == child.pid()) return false;
      }
      return true;
    }));
  }
  EXPECT_EQ(guarded.Running(), 3);
  EXPECT_TRUE(node_->guardian().Running());
  ExpectNoScanMissed(fleet_);
}

TEST_F(HostileClients, AProcessInAPidNamespaceOfItsOwnIsGuardedByItsTruePid) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a pid namespace";
  // The child is pid 1 in there; the guardian is told its pid out here by the kernel.
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  Child outer = Child::Fork([&] {
    if (unshare(CLONE_NEWPID) != 0) return 3;
    const pid_t inner = fork();
    if (inner == 0) {
      procctl_heart heart = PROCCTL_HEART_INIT;
      const int error = OpenHeart(&heart, *node_, "contained", 1s);
      if (write(ready[1], &error, sizeof error) != sizeof error) _exit(1);
      Hang();
    }
    int status = 0;
    waitpid(inner, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 100 + WEXITSTATUS(status);
  });
  int error = -1;
  pollfd readable{ready[0], POLLIN, 0};
  ASSERT_EQ(poll(&readable, 1, 10'000), 1);
  ASSERT_EQ(read(ready[0], &error, sizeof error), static_cast<ssize_t>(sizeof error));
  EXPECT_EQ(error, 0);
  // Pid 1 of a namespace ignores the SIGTERM it has no handler for; SIGKILL from outside it does
  // not.
  const std::optional<int> status = outer.WaitExit(20s);
  ASSERT_TRUE(status && WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), SIGKILL);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(HostileClients, AClientOfAnotherUserIsGuardedAndOnlyItself) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  Child& other = fleet_.StartProgram(
      *node_, {"worker", "--name", "other", "--timeout-ms", "1000", "--threads", "1"}, kNobody);
  const v1::FleetSlot row = fleet_.AwaitSlot(other.pid());
  EXPECT_EQ(row.slot().uid(), static_cast<int32_t>(kNobody));
  other.Signal(SIGUSR1);
  EXPECT_TRUE(other.WaitExit(15s));
}

}  // namespace
}  // namespace procctl::e2e
