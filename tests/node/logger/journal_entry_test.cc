#include "node/logger/journal_entry.h"

#include <gtest/gtest.h>

#include <string>

namespace procctl::logger {
namespace {

using namespace std::string_literals;

TEST(JournalEntry, IsAsJournaldsProtocolSays) {
  EXPECT_EQ(Encode({"hello", JournalPriority::kInfo, "web@1", "stdout"}),
            "PRIORITY=6\nSYSLOG_IDENTIFIER=web@1\nPROCCTL_PROGRAM=web@1\nPROCCTL_STREAM=stdout\n"
            "MESSAGE=hello\n");
  EXPECT_EQ(Encode({"", JournalPriority::kWarning, "web", ""}),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=web\nPROCCTL_PROGRAM=web\nMESSAGE=\n");
}

TEST(JournalEntry, OfBytesThatTheTextFormCannotHoldHasLengths) {
  EXPECT_EQ(Encode({"a\0b"s, JournalPriority::kInfo, "web", "stdout"}),
            "PRIORITY=6\nSYSLOG_IDENTIFIER=web\nPROCCTL_PROGRAM=web\nPROCCTL_STREAM=stdout\n"
            "MESSAGE\n\x03\0\0\0\0\0\0\0a\0b\n"s);
  const std::string longer(300, '\0');
  EXPECT_EQ(Encode({longer, JournalPriority::kInfo, "w", ""}),
            "PRIORITY=6\nSYSLOG_IDENTIFIER=w\nPROCCTL_PROGRAM=w\nMESSAGE\n\x2c\x01\0\0\0\0\0\0"s +
                longer + "\n");
  // Nobody forges a field by his name.
  EXPECT_EQ(Encode({"x", JournalPriority::kInfo, "w\nPRIORITY=0", ""}),
            "PRIORITY=6\nSYSLOG_IDENTIFIER\n\x0c\0\0\0\0\0\0\0w\nPRIORITY=0\n"
            "PROCCTL_PROGRAM\n\x0c\0\0\0\0\0\0\0w\nPRIORITY=0\nMESSAGE=x\n"s);
}

}  // namespace
}  // namespace procctl::logger
