#include "node/core/slot_rules.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

using namespace std::chrono_literals;

TEST(SlotRules, TheFirstThatMatchesWinsOnTopOfTheDefaults) {
  const SlotRuleBook book(
      {.grace = 7s},
      {{.name = "enc*", .observe = true, .shadow_timeout = {}, .max_busy = {}, .grace = {}},
       {.name = "*", .observe = {}, .shadow_timeout = 2s, .max_busy = {}, .grace = 1s}});
  EXPECT_TRUE(book.For("encoder").observe);
  EXPECT_EQ(book.For("encoder").grace, 7s);
  EXPECT_EQ(book.For("encoder").shadow_timeout, 0s);
  EXPECT_FALSE(book.For("web").observe);
  EXPECT_EQ(book.For("web").grace, 1s);
  EXPECT_EQ(book.For("web").shadow_timeout, 2s);
}

TEST(SlotRules, WithoutRulesTheDefaultsHold) { EXPECT_FALSE(SlotRuleBook().For("x").observe); }

}  // namespace
}  // namespace procctl::node
