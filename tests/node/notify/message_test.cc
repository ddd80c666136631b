// What programs send, and what is made of it.
#include "node/notify/message.h"

#include <gtest/gtest.h>

#include <utility>

namespace procctl::notify {
namespace {

using std::chrono::microseconds;

Message Parsed(std::string_view datagram) {
  auto message = Parse(datagram);
  if (message.has_value()) return *std::move(message);
  ADD_FAILURE() << "no message: " << datagram;
  return {};
}

TEST(Message, ManyAssignmentsInOneDatagramInAnyOrder) {
  const Message message =
      Parsed("STATUS=Processes active: 0, idle: 2\nWATCHDOG=1\nREADY=1\nMAINPID=4711\n");
  EXPECT_TRUE(message.ready);
  EXPECT_TRUE(message.watchdog);
  EXPECT_FALSE(message.trigger);
  EXPECT_EQ(message.status, "Processes active: 0, idle: 2");
  EXPECT_EQ(message.main_pid, 4711);
  EXPECT_EQ(message.bad, 0);
}

TEST(Message, TheLastNewlineMayBeMissingAndEmptyLinesMeanNothing) {
  EXPECT_TRUE(Parsed("READY=1").ready);
  EXPECT_TRUE(Parsed("\n\nREADY=1\n\n").ready);
  EXPECT_EQ(Parsed("\n").bad, 0);
}

TEST(Message, EachWordIsUnderstood) {
  EXPECT_TRUE(Parsed("RELOADING=1\nMONOTONIC_USEC=12").reloading);
  EXPECT_TRUE(Parsed("STOPPING=1").stopping);
  EXPECT_TRUE(Parsed("WATCHDOG=trigger").trigger);
  EXPECT_FALSE(Parsed("WATCHDOG=trigger").watchdog);
  EXPECT_EQ(Parsed("WATCHDOG_USEC=20000000").watchdog_limit, microseconds(20'000'000));
  EXPECT_EQ(Parsed("EXTEND_TIMEOUT_USEC=1").extend, microseconds(1));
  EXPECT_EQ(Parsed("ERRNO=2").error_number, 2);
  EXPECT_EQ(Parsed("STATUS=").status, "");
  EXPECT_EQ(Parsed("STATUS=a=b").status, "a=b");
}

TEST(Message, UnknownNamesAreAllowed) {
  const Message message = Parsed("X_MINE=whatever\nREADY=1\nEXIT_STATUS=0\nBARRIER=1");
  EXPECT_TRUE(message.ready);
  EXPECT_EQ(message.bad, 0);
}

TEST(Message, AValueThatMakesNoSenseIsCountedAndChangesNothing) {
  for (const char* line :
       {"READY=yes", "READY=", "WATCHDOG=2", "MAINPID=1", "MAINPID=0", "MAINPID=-5", "MAINPID=12x",
        "MAINPID=99999999999", "WATCHDOG_USEC=0", "WATCHDOG_USEC=-1",
        "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=1s", "ERRNO=x", "=1", "READY"}) {
    const Message message = Parsed(std::string(line) + "\nWATCHDOG=1");
    EXPECT_EQ(message.bad, 1) << line;
    EXPECT_FALSE(message.ready) << line;
    EXPECT_TRUE(message.watchdog) << line;
    EXPECT_FALSE(message.main_pid.has_value()) << line;
    EXPECT_FALSE(message.watchdog_limit.has_value() || message.extend.has_value()) << line;
  }
}

TEST(Message, ForEverIsATimeThatFits) {
  EXPECT_EQ(Parsed("WATCHDOG_USEC=18446744073709551615").watchdog_limit, microseconds(kLongest));
  EXPECT_EQ(Parsed("WATCHDOG_USEC=18446744073709551616").bad, 1);
}

TEST(Message, GarbageIsNoMessage) {
  EXPECT_FALSE(Parse("").has_value());
  EXPECT_FALSE(Parse(std::string_view("READY=1\0WATCHDOG=1", 18)).has_value());
  std::string longest = "STATUS=" + std::string(kMostBytes - 7, 'x');
  EXPECT_EQ(Parsed(longest).status->size(), kMostBytes - 7);
  EXPECT_FALSE(Parse(longest + "x").has_value());
}

}  // namespace
}  // namespace procctl::notify
