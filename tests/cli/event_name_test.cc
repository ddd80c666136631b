#include "cli/event_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

using ::testing::HasSubstr;

TEST(EventName, IsTakenBackAsItIsShown) {
  for (const char* text : {"web-01:1795348800000:17", "@ctl-1:3:1", "a.b:1:9223372036854775807"}) {
    const auto id = ParseEventId(text);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(EventIdText(*id), text);
    EXPECT_TRUE(LooksLikeEventId(text));
  }
  EXPECT_EQ(EventIdText({}), "-");
}

TEST(EventName, IsNeitherASlotNorAPid) {
  for (const char* text : {"web-01/encoder", "web-01/a:1:2", "web-01:4182", "web-01", ""}) {
    EXPECT_FALSE(LooksLikeEventId(text)) << text;
  }
}

TEST(EventName, WhatIsMalformedIsRefused) {
  for (const char* text : {"", "web-01", "web-01:1", "web-01::2", "web-01:1:", "web-01:x:2",
                           "web-01:1:2x", "web-01:0:2", "web-01:1:-2", ":1:2", "@:1:2", "W:1:2",
                           "a:1:2:3", "a:1:99999999999999999999"}) {
    const auto id = ParseEventId(text);
    EXPECT_TRUE(absl::IsInvalidArgument(id.status())) << text;
    EXPECT_THAT(std::string(id.status().message()), HasSubstr("procctl-cli events"));
  }
}

TEST(EventName, AHostileOriginIsHarmless) {
  v1::EventId id;
  id.set_origin("a\x1b b");
  EXPECT_EQ(EventIdText(id), "a\\x1b\\x20b:0:0");
}

}  // namespace
}  // namespace procctl::cli
