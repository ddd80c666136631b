#include "cli/fields.h"

#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

TEST(Fields, ValuesLineUpAndEmptyOnesAreLeftOut) {
  Fields fields;
  fields.Add("State", "alive").Add("Phase", "").Add("Pid", "4182");
  EXPECT_EQ(fields.Render(2),
            "  State:  alive\n"
            "  Pid:    4182\n");
  EXPECT_EQ(Fields().Render(2), "");
}

}  // namespace
}  // namespace procctl::cli
