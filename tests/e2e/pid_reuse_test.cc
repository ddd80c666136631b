// A pid is not a process. Newcomers who get the pid of a guarded process that has ended never get
// its signals: not when it died silently, not between SIGTERM and SIGKILL, not under an operator's
// stale order.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <list>
#include <memory>
#include <set>

#include "procctl/v1/event.pb.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/impostor.h"

namespace procctl::e2e {
namespace {

constexpr int kRounds = 50;
// Some pids may be taken by third processes in between; those rounds do not count.
constexpr int kTries = kRounds + 10;

class PidReuse : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root: clone3 with set_tid";
    fleet_ = std::make_unique<Fleet>(std::vector<std::string>{"n1"});
    fleet_->StartController();
    NodeOptions options;
    options.grace = "1s";
    node_ = &fleet_->StartNode("n1", options);
    fleet_->AwaitConnected(1);
  }

  // Waits until every client has ended by itself and gives each pid away at once.
  void ReplaceAsTheyEnd(std::list<Child>* clients) {
    Await(20s, "the end of all clients", [&] {
      for (auto client = clients->begin(); client != clients->end();) {
        if (client->Running()) {
          ++client;
          continue;
        }
        if (auto impostor = Impostor::TakePid(client->pid())) {
          impostors_.push_back(std::move(*impostor));
        }
        client = clients->erase(client);
      }
      return clients->empty();
    });
    ASSERT_GE(impostors_.size(), static_cast<size_t>(kRounds));
  }

  void ExpectNoSignals() {
    for (Impostor& impostor : impostors_) {
      EXPECT_EQ(impostor.Signals(), std::vector<int>{}) << "pid " << impostor.pid();
    }
  }

  // How many of the pids the guardian has written an end for.
  size_t EndsRecorded() {
    std::set<pid_t> ended;
    for (const v1::Event& event : fleet_->Events()) {
      if (event.kind() == v1::EVENT_KIND_VERDICT || event.kind() == v1::EVENT_KIND_PROCESS_GONE) {
        ended.insert(event.incarnation().pid());
      }
    }
    return ended.size();
  }

  std::unique_ptr<Fleet> fleet_;
  Node* node_ = nullptr;
  std::list<Impostor> impostors_;
};

TEST_F(PidReuse, NewcomerWithTheDeadClientsPidGetsNoSignal) {
  std::list<Child> clients;
  for (int i = 0; i < kTries; ++i) {
    // They end shortly before and after the moment at which they would be called hung.
    const auto silent_for = 350ms + i * 5ms;
    clients.push_back(
        GuardedChild(*node_, "client" + std::to_string(i), 500ms, [=](procctl_heart*) {
          signal(SIGTERM, SIG_IGN);
          usleep(static_cast<useconds_t>(std::chrono::microseconds(silent_for).count()));
        }));
  }
  ReplaceAsTheyEnd(&clients);
  // Timeout, grace and more have passed for everybody.
  EXPECT_FALSE(Eventually(3s, [&] {
    for (Impostor& impostor : impostors_) {
      if (!impostor.Signals().empty()) return true;
    }
    return false;
  }));
  ExpectNoSignals();
  EXPECT_TRUE(Eventually(5s, [&] { return EndsRecorded() == kTries; })) << EndsRecorded();
}

TEST_F(PidReuse, NewcomerBetweenTermAndKillGetsNoSignal) {
  std::list<Child> clients;
  for (int i = 0; i < kTries; ++i) {
    // Each obeys SIGTERM at another moment of the grace, the last ones just before SIGKILL is due.
    const auto after_term = i * 990ms / kTries;
    clients.push_back(
        GuardedChild(*node_, "client" + std::to_string(i), 500ms, [=](procctl_heart*) {
          sigset_t term;
          sigemptyset(&term);
          sigaddset(&term, SIGTERM);
          sigprocmask(SIG_BLOCK, &term, nullptr);
          int got = 0;
          sigwait(&term, &got);
          usleep(static_cast<useconds_t>(std::chrono::microseconds(after_term).count()));
        }));
  }
  ReplaceAsTheyEnd(&clients);
  EXPECT_FALSE(Eventually(3s, [&] {
    for (Impostor& impostor : impostors_) {
      if (!impostor.Signals().empty()) return true;
    }
    return false;
  }));
  ExpectNoSignals();
  EXPECT_TRUE(Eventually(5s, [&] { return EndsRecorded() == kTries; })) << EndsRecorded();
  size_t terms = 0;
  for (const v1::Event& event : fleet_->Events()) {
    terms += event.kind() == v1::EVENT_KIND_TERM_SENT ? 1 : 0;
  }
  EXPECT_EQ(terms, static_cast<size_t>(kTries)) << "every client did get its own SIGTERM";
}

std::string Id(const v1::Incarnation& incarnation) {
  return incarnation.boot_id() + ":" + std::to_string(incarnation.pid()) + ":" +
         std::to_string(incarnation.start_ticks()) + ":" + std::to_string(incarnation.generation());
}

TEST_F(PidReuse, NewcomerUnderAStaleKillGetsNoSignalAndTheCliSaysSo) {
  int rounds = 0;
  for (int i = 0; rounds < kRounds && i < kTries; ++i) {
    std::optional<Child> client =
        GuardedChild(*node_, "victim", 60s, [](procctl_heart*) { Hang(); });
    const pid_t pid = client->pid();
    const v1::FleetSlot seen = fleet_->AwaitSlot(pid);
    client.reset();  // it ends, and is reaped

    // The newcomer is guarded under the same name, with the same pid: all that a person would look
    // at.
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    std::optional<Impostor> impostor = Impostor::TakePid(pid, [&] {
      static procctl_heart heart = PROCCTL_HEART_INIT;
      const char ok = OpenHeart(&heart, *node_, "victim", 60s) == 0 ? 'y' : 'n';
      (void)!write(ready[1], &ok, 1);
    });
    close(ready[1]);
    char ok = 'n';
    const bool answered = impostor && read(ready[0], &ok, 1) == 1;
    close(ready[0]);
    if (!impostor) continue;
    ASSERT_TRUE(answered && ok == 'y');
    ++rounds;

    const Finished killed =
        fleet_->Cli({"kill", "n1/victim", "--if-incarnation", Id(seen.slot().incarnation()),
                     "--yes", "--reason", "stale"});
    EXPECT_EQ(killed.exit_code, 6) << killed.out << killed.err;
    EXPECT_EQ(impostor->Signals(), std::vector<int>{}) << "round " << rounds;
  }
  EXPECT_EQ(rounds, kRounds);
}

}  // namespace
}  // namespace procctl::e2e
