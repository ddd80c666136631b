#include "node/guardian/kept_child.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "node/os/clock.h"
#include "node/os/poller.h"

namespace procctl::node {
namespace {

class KeptChildTest : public ::testing::Test {
 protected:
  KeptChildTest() : poller_(*Poller::Create()) {}

  KeptChild Keep(std::string path, std::vector<std::string> arguments) {
    return KeptChild("the child", &poller_,
                     {.request =
                          [path = std::move(path), arguments = std::move(arguments)] {
                            return SpawnRequest{.path = path, .arguments = arguments};
                          },
                      .started =
                          [this](UniqueFd link) {
                            link_ = std::move(link);
                            ++started_;
                          },
                      .ended = [this] { ++ended_; }});
  }

  // True once `condition` holds; a minute is for ever.
  bool Until(KeptChild* child, const std::function<bool()>& condition) {
    const MonoTime end = MonoNow() + std::chrono::minutes(1);
    while (!condition()) {
      if (MonoNow() > end) return false;
      child->Tend(MonoNow());
      poller_.Wait(10);
    }
    return true;
  }

  Poller poller_;
  UniqueFd link_;
  int started_ = 0;
  int ended_ = 0;
};

TEST_F(KeptChildTest, IsStartedAgainWheneverItEnds) {
  KeptChild child = Keep("/bin/true", {});
  EXPECT_EQ(child.pid(), 0);
  ASSERT_TRUE(Until(&child, [&] { return started_ >= 3; }));
  EXPECT_GE(ended_, 2);
  ASSERT_TRUE(Until(&child, [&] { return ended_ == started_; }));
  EXPECT_FALSE(child.running());
}

TEST_F(KeptChildTest, OneThatIsKilledIsBackInAnotherProcess) {
  KeptChild child = Keep("/bin/sleep", {"1000"});
  ASSERT_TRUE(Until(&child, [&] { return child.running(); }));
  const int32_t first = child.pid();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  ASSERT_TRUE(Until(&child, [&] { return started_ == 2; }));
  EXPECT_NE(child.pid(), first);
  child.LetGo();
  ASSERT_EQ(kill(child.pid(), SIGKILL), 0);
  ASSERT_TRUE(Until(&child, [&] { return ended_ == 2; }));
}

TEST_F(KeptChildTest, OneThatWasLetGoIsNotStartedAgain) {
  KeptChild child = Keep("/bin/sleep", {"1000"});
  ASSERT_TRUE(Until(&child, [&] { return child.running(); }));
  child.LetGo();
  ASSERT_EQ(kill(child.pid(), SIGKILL), 0);
  ASSERT_TRUE(Until(&child, [&] { return ended_ == 1; }));
  // Far beyond any delay.
  child.Tend(MonoNow() + std::chrono::hours(1));
  EXPECT_EQ(started_, 1);
  EXPECT_EQ(child.pid(), 0);
}

TEST_F(KeptChildTest, OneThatCannotBeStartedIsTriedLessAndLessOften) {
  int asked = 0;
  KeptChild child("the child", &poller_,
                  {.request =
                       [&asked] {
                         ++asked;
                         return SpawnRequest{.path = "/nowhere/to/be/found"};
                       },
                   .started = [](const UniqueFd&) { FAIL(); },
                   .ended = [] { FAIL(); }});
  const MonoTime begin = MonoNow();
  // Ten seconds of a loop that tends it each 10 ms.
  for (int i = 0; i < 1000; ++i) child.Tend(begin + i * std::chrono::milliseconds(10));
  // After 0, 50, 150, 350, 750 and 1550 ms, and then each second.
  EXPECT_EQ(asked, 14);
  EXPECT_FALSE(child.running());
}

}  // namespace
}  // namespace procctl::node
