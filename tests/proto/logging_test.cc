#include "proto/support/logging.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

namespace procctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What `log` wrote to stderr, in `format`.
template <typename Log>
std::string Logged(const char* format, const char* level, Log log) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(StartLogging("test", format, level).ok());
  log();
  spdlog::shutdown();  // a thread of its own writes; this waits for it
  return ::testing::internal::GetCapturedStderr();
}

TEST(Logging, JsonStaysJsonWhateverTheMessageHolds) {
  const std::string nasty = "quote \" backslash \\ newline \n escape \x1b[0m bad \xff";
  const std::string line = Logged("json", "", [&] { spdlog::info("{}", nasty); });
  google::protobuf::Struct parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(line, &parsed).ok()) << line;
  EXPECT_EQ(parsed.fields().at("msg").string_value(),
            "quote \" backslash \\ newline \\x0a escape \\x1b[0m bad \\xff");
  EXPECT_EQ(parsed.fields().at("level").string_value(), "info");
  EXPECT_EQ(parsed.fields().at("program").string_value(), "test");
}

TEST(Logging, AMessageCannotForgeASecondLine) {
  const std::string text = Logged("text", "", [] { spdlog::info("one\ntwo"); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_THAT(text, HasSubstr("one\\x0atwo"));
}

TEST(Logging, LevelHidesWhatIsBelow) {
  const std::string text = Logged("text", "warning", [] {
    spdlog::info("quiet");
    spdlog::warn("loud");
  });
  EXPECT_THAT(text, Not(HasSubstr("quiet")));
  EXPECT_THAT(text, HasSubstr("loud"));
}

TEST(Logging, UnknownFormatAndLevelAreRefusedWithWhatIsKnown) {
  EXPECT_THAT(std::string(StartLogging("test", "xml", "").message()), HasSubstr("text or json"));
  EXPECT_THAT(std::string(StartLogging("test", "text", "loud").message()), HasSubstr("warning"));
}

}  // namespace
}  // namespace procctl
