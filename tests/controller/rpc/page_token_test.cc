#include "controller/rpc/page_token.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

TEST(PageToken, ComesBackAsItWent) {
  const std::string token = MakePageToken("slots", 99, {"web-01", "my worker \xc3\xb6/2"});
  const auto keys = ReadPageToken(token, "slots", 99, 2);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(*keys, (std::vector<std::string>{"web-01", "my worker \xc3\xb6/2"}));
}

TEST(PageToken, IsTiedToItsListAndFilter) {
  const std::string token = MakePageToken("slots", 99, {"a", "b"});
  EXPECT_FALSE(ReadPageToken(token, "nodes", 99, 2).ok());
  EXPECT_FALSE(ReadPageToken(token, "slots", 98, 2).ok());
  EXPECT_FALSE(ReadPageToken(token, "slots", 99, 1).ok());
  for (const char* junk : {"", "x", "!", "AAAA", "c2xvdHM="}) {
    EXPECT_FALSE(ReadPageToken(junk, "slots", 99, 2).ok()) << junk;
  }
}

TEST(PageSize, ZeroIsTheStandardAndTooMuchIsTheMost) {
  EXPECT_EQ(*PageSize(0, 1000, 5000), 1000);
  EXPECT_EQ(*PageSize(9999, 1000, 5000), 5000);
  EXPECT_EQ(*PageSize(1, 1000, 5000), 1);
  EXPECT_FALSE(PageSize(-1, 1000, 5000).ok());
}

}  // namespace
}  // namespace procctl::controller
