#include "controller/rpc/watch_token.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

TEST(WatchToken, IsReadAsItWasMade) {
  const auto slots = ReadSlotsToken(MakeSlotsToken(7, {"life", 3, 42}), 7);
  ASSERT_TRUE(slots.ok()) << slots.status();
  EXPECT_EQ(slots->life, "life");
  EXPECT_EQ(slots->feed, 3);
  EXPECT_EQ(slots->sequence, 42);
  const auto events = ReadEventsToken(MakeEventsToken(7, 42), 7);
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(*events, 42);
}

TEST(WatchToken, OfAnotherKindOrFilterIsRefused) {
  EXPECT_FALSE(ReadSlotsToken(MakeSlotsToken(7, {"life", 3, 42}), 8).ok());
  EXPECT_FALSE(ReadSlotsToken(MakeEventsToken(7, 42), 7).ok());
  EXPECT_FALSE(ReadEventsToken(MakeSlotsToken(7, {"life", 3, 42}), 7).ok());
  EXPECT_FALSE(ReadEventsToken(MakeEventsToken(7, 42), 8).ok());
  EXPECT_FALSE(ReadEventsToken(MakeEventsToken(7, -42), 7).ok());
  EXPECT_FALSE(ReadEventsToken("", 7).ok());
  EXPECT_FALSE(ReadSlotsToken("nonsense", 7).ok());
}

}  // namespace
}  // namespace procctl::controller
