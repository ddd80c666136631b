#include "tests/e2e/harness/exactly_once.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

bool IsFlash(const v1::Event& event) {
  return event.name().starts_with("flash") && (event.kind() == v1::EVENT_KIND_SLOT_REGISTERED ||
                                               event.kind() == v1::EVENT_KIND_SLOT_CLOSED);
}

struct Numbers {
  std::int64_t first;
  std::int64_t last;
};

}  // namespace

Child MakeEvents(const Node& node, int flashes) {
  return Child::Fork([&node, flashes] {
    for (int i = 0; i < flashes; ++i) {
      procctl_heart heart = PROCCTL_HEART_INIT;
      // A name of its own each: the same name again would take the slot over, without an event.
      if (OpenHeart(&heart, node, "flash" + std::to_string(i), 60s) != 0) return 1;
      procctl_close(&heart);
      usleep(3000);
    }
    usleep(500000);  // closing is seen at the next scan; a process that ends before it is just gone
    return 0;
  });
}

void ExpectExactlyOnce(Fleet& fleet, const std::string& node, int flashes, bool gaps) {
  std::vector<v1::Event> events;
  const auto told = [&] { return std::count_if(events.begin(), events.end(), IsFlash); };
  const bool all = Eventually(40s, [&] {
    events = fleet.Events();
    return told() >= 2 * flashes;
  });
  if (!gaps) {
    EXPECT_TRUE(all) << told() << " of " << 2 * flashes;
    EXPECT_EQ(told(), 2 * flashes);
  }

  // An event is the one number that it has; a record of what is missing is a range.
  std::map<std::int64_t, std::vector<Numbers>> by_epoch;
  for (const v1::Event& event : events) {
    const bool own = event.id().origin() == node;
    const bool hole = event.kind() == v1::EVENT_KIND_GAP && event.node() == node;
    if (!gaps) {
      EXPECT_FALSE(hole || event.kind() == v1::EVENT_KIND_EVENTS_LOST) << event.ShortDebugString();
    }
    if (own && event.kind() == v1::EVENT_KIND_EVENTS_LOST) {
      by_epoch[event.id().epoch()].push_back({event.lost().first_seq(), event.lost().last_seq()});
    } else if (own) {
      by_epoch[event.id().epoch()].push_back({event.id().seq(), event.id().seq()});
    } else if (hole) {
      by_epoch[event.lost().epoch()].push_back({event.lost().first_seq(), event.lost().last_seq()});
    }
  }
  for (auto& [epoch, numbers] : by_epoch) {
    std::sort(numbers.begin(), numbers.end(),
              [](const Numbers& a, const Numbers& b) { return a.first < b.first; });
    std::int64_t next = 1;
    for (const Numbers& number : numbers) {
      ASSERT_EQ(number.first, next) << "epoch " << epoch << " of " << node;
      next = number.last + 1;
    }
  }
}

}  // namespace procctl::e2e
