#include "node/core/slot_labels.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace procctl::node {
namespace {

TEST(SlotLabels, TheFirstHasTheNameTheOthersANumber) {
  SlotLabels labels;
  EXPECT_EQ(labels.Take("web"), "web");
  EXPECT_EQ(labels.Take("web"), "web.2");
  EXPECT_EQ(labels.Take("db"), "db");
  EXPECT_EQ(labels.Take("web"), "web.3");
}

TEST(SlotLabels, TheLowestFreeOneIsTakenAgain) {
  SlotLabels labels;
  labels.Take("web");
  labels.Take("web");
  labels.Take("web");
  labels.Release("web", "web.2");
  EXPECT_EQ(labels.Take("web"), "web.2");
  labels.Release("web", "web");
  EXPECT_EQ(labels.Take("web"), "web");
}

TEST(SlotLabels, ANameThatLooksLikeANumberedLabelClashesWithNobody) {
  SlotLabels labels;
  EXPECT_EQ(labels.Take("a.2"), "a.2");
  EXPECT_EQ(labels.Take("a"), "a");
  EXPECT_EQ(labels.Take("a"), "a.3");
}

TEST(SlotLabels, NeverHandsOutALabelThatIsInUse) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  SlotLabels labels;
  std::set<std::string> used;
  std::multimap<std::string, std::string> held;
  for (int i = 0; i < 5000; ++i) {
    if (held.empty() || random() % 3 != 0) {
      const std::string name = std::string("a") + (random() % 2 == 0 ? "" : ".2");
      const std::string label = labels.Take(name);
      ASSERT_TRUE(used.insert(label).second) << label << " seed " << seed;
      held.emplace(name, label);
    } else {
      auto victim = std::next(held.begin(), static_cast<long>(random() % held.size()));
      labels.Release(victim->first, victim->second);
      used.erase(victim->second);
      held.erase(victim);
    }
  }
}

}  // namespace
}  // namespace procctl::node
