#include "cli/filter.h"

#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

TEST(FilterBuilder, JoinsTermsAndSkipsWhatIsNotAsked) {
  EXPECT_EQ(FilterBuilder().text(), "");
  EXPECT_EQ(FilterBuilder().Add("node", "web-*").Add("name", "").Add("state", "hung,held").text(),
            "node=web-* state=hung,held");
  EXPECT_EQ(FilterBuilder().Add("node", "a").AddTerms("pid!=7").text(), "node=a pid!=7");
}

TEST(FilterBuilder, ABlankCannotBreakATerm) {
  EXPECT_EQ(FilterBuilder().Add("name", "my worker").text(), "name=my?worker");
  EXPECT_EQ(FilterBuilder().Add("name", "a\tb\nc").text(), "name=a?b?c");
}

TEST(FilterBuilder, WhatATableShowsForABlankIsABlank) {
  EXPECT_EQ(FilterBuilder().Add("slot", "my\\x20worker").text(), "slot=my?worker");
}

}  // namespace
}  // namespace procctl::cli
