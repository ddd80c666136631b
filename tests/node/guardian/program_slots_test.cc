// Room in the table for all instances of all programs.
#include "node/guardian/program_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace procctl::node {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kOwn = 500;

ProgramSpec Of(int instances, uid_t user = kOwn) {
  ProgramSpec spec;
  spec.instances = instances;
  if (user != kOwn) spec.user = ProgramUser{.name = "other", .uid = user};
  return spec;
}

RegistrationLimits Limits(int64_t all, int64_t of_user) {
  RegistrationLimits limits;
  limits.max_slots = all;
  limits.max_slots_per_user = of_user;
  return limits;
}

TEST(FindSlotShortage, ExactlyAsManyAsThereAreIsNoShortage) {
  EXPECT_FALSE(FindSlotShortage({}, Limits(1, 1), kOwn));
  EXPECT_FALSE(FindSlotShortage({Of(3), Of(2)}, Limits(5, 5), kOwn));
  const auto shortage = FindSlotShortage({Of(3), Of(2), Of(1)}, Limits(5, 5), kOwn);
  ASSERT_TRUE(shortage);
  EXPECT_EQ(shortage->program, 2U);
  EXPECT_EQ(shortage->limit, "max_slots");
  EXPECT_THAT(shortage->fact, HasSubstr("6 instances"));
}

TEST(FindSlotShortage, EachUserHasItsOwn) {
  EXPECT_FALSE(FindSlotShortage({Of(3), Of(3, 7)}, Limits(10, 3), kOwn));
  const auto shortage = FindSlotShortage({Of(3), Of(3, 7), Of(1, 7)}, Limits(10, 3), kOwn);
  ASSERT_TRUE(shortage);
  EXPECT_EQ(shortage->program, 2U);
  EXPECT_EQ(shortage->limit, "max_slots_per_user");
  EXPECT_THAT(shortage->fact, HasSubstr("4 instances of programs of user 7"));
}

}  // namespace
}  // namespace procctl::node
