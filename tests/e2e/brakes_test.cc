// Many that go silent: the host's brakes, as an operator lives through them.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/moody_children.h"

namespace procctl::e2e {
namespace {

using Mood = MoodyChildren::Mood;

int Count(const std::vector<v1::Event>& events, v1::EventKind kind) {
  return static_cast<int>(std::count_if(events.begin(), events.end(), Is(kind)));
}

NodeOptions WithBrakes() {
  NodeOptions options;
  options.brakes = true;
  options.grace = "1s";
  return options;
}

TEST(Brakes, SixtyOfAHundredSilentAtOnceAreNotKilledAndFiftyFiveRecover) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1", WithBrakes());
  MoodyChildren children(node, "w", 100, 2s);
  fleet.AwaitConnected(1);

  children.Set(0, 60, Mood::kSilent);
  const v1::Event alarm = fleet.AwaitEvent("the alarm", 20s, Is(v1::EVENT_KIND_BRAKE));
  EXPECT_EQ(alarm.severity(), v1::SEVERITY_ALARM);
  EXPECT_EQ(alarm.held_by(), v1::HELD_BY_COMMON_CAUSE);
  // From the alarm on, measured where it was raised.
  const auto until = At(alarm) + 58s;
  EXPECT_TRUE(Throughout(std::chrono::duration_cast<std::chrono::milliseconds>(until - SinceBoot()),
                         [&] { return children.Running() == 100; }));
  EXPECT_EQ(Count(fleet.Events(), v1::EVENT_KIND_TERM_SENT), 0);

  children.Set(5, 60, Mood::kBeating);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(children[i].WaitExit(30s)) << i;
  EXPECT_TRUE(Throughout(3s, [&] { return children.Running() == 95; }));
  const std::vector<v1::Event> events = fleet.Events();
  EXPECT_EQ(Count(events, v1::EVENT_KIND_TERM_SENT), 5);
  for (const v1::Event& event : events) {
    if (event.kind() == v1::EVENT_KIND_TERM_SENT) {
      EXPECT_GE(At(event) - At(alarm), 59900ms);
    }
  }
  std::set<std::string> recovered;
  for (const v1::Event& event : events) {
    if (event.kind() == v1::EVENT_KIND_VERDICT && event.verdict() == v1::VERDICT_RECOVERED)
      recovered.insert(event.name());
  }
  // On a busy machine one that beats may be silent for two seconds, too, and then recovers.
  for (int i = 5; i < 60; ++i) EXPECT_TRUE(recovered.contains("w-" + std::to_string(i))) << i;
  const auto alarms = std::count_if(events.begin(), events.end(), [](const v1::Event& event) {
    return event.kind() == v1::EVENT_KIND_BRAKE && event.severity() == v1::SEVERITY_ALARM;
  });
  EXPECT_EQ(alarms, 1);
}

TEST(Brakes, TwentyThatHangOneByOneAllDieAndNeverFasterThanTheBucket) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1", WithBrakes());
  MoodyChildren children(node, "w", 100, 2s);
  fleet.AwaitConnected(1);
  for (int i = 0; i < 20; ++i) {
    children.Set(i, Mood::kSilent);
    EXPECT_TRUE(Throughout(200ms, [&] { return children[99].Running(); }));
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(children[i].WaitExit(60s)) << i;
  EXPECT_EQ(children.Running(), 80);

  std::vector<std::chrono::nanoseconds> terms;
  for (const v1::Event& event : fleet.Events("kind=term_sent")) terms.push_back(At(event));
  ASSERT_EQ(terms.size(), 20u);
  std::sort(terms.begin(), terms.end());
  // In every window: at most the burst of ten, and one more each two seconds.
  for (size_t i = 0; i < terms.size(); ++i) {
    for (size_t j = i; j < terms.size(); ++j) {
      const double seconds = std::chrono::duration<double>(terms[j] - terms[i]).count();
      EXPECT_LE(static_cast<double>(j - i + 1), 10 + seconds / 2 + 1.001) << i << " to " << j;
    }
  }
  EXPECT_EQ(Count(fleet.Events(), v1::EVENT_KIND_BRAKE), 0);
}

}  // namespace
}  // namespace procctl::e2e
