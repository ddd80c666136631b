#include "proto/support/config_help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "procctl/v1/config.pb.h"

namespace procctl {
namespace {

using ::google::protobuf::Descriptor;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Explained(std::string_view field) {
  const auto text = ExplainConfig(*v1::NodeConfig::descriptor(), field);
  return text.ok() ? *text : std::string(text.status().message());
}

TEST(ExplainConfig, AFieldIsExplainedInTheSchemasOwnWords) {
  EXPECT_EQ(Explained("grace"),
            "grace: duration\n\nBetween SIGTERM and SIGKILL. Default 5s; 100ms to 1h.\n");
  EXPECT_THAT(Explained("protected"),
              StartsWith("protected: list of texts\n\nProcess names (comm)"));
  EXPECT_THAT(Explained("classic.enabled"), StartsWith("classic.enabled: true or false\n"));
}

TEST(ExplainConfig, ASectionIsExplainedWithItsKeys) {
  const std::string text = Explained("brakes.common_cause");
  EXPECT_THAT(text,
              StartsWith("brakes.common_cause: section\n\nMany slots that go silent together"));
  EXPECT_THAT(text, HasSubstr("  mode: text\n      \"on\" (default) or \"off\".\n"));
  EXPECT_THAT(text, HasSubstr("  pause: duration\n"));
  EXPECT_THAT(text, Not(HasSubstr("burst")));
}

TEST(ExplainConfig, AKeyInTheItemsOfAListIsFoundToo) {
  EXPECT_THAT(Explained("rules.name"), StartsWith("rules.name: text\n\nName as registered;"));
  // As refusals write it.
  EXPECT_THAT(Explained("rules.0.name"), StartsWith("rules.0.name: text\n\nName as registered;"));
  EXPECT_THAT(Explained("protected.12"), StartsWith("protected.12: list of texts\n"));
  EXPECT_THAT(Explained("rules.0.1"), HasSubstr("there is no key \"rules.0.1\""));
  EXPECT_THAT(Explained("brakes.0"), HasSubstr("there is no key \"brakes.0\""));
}

TEST(ExplainConfig, WithoutAFieldAllKeysOfTheFileAreThere) {
  const std::string text = Explained("");
  for (const char* key : {"node: text", "brakes: section", "rules: list of sections",
                          "scan_interval: duration", "canary: section"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n  ") + key + "\n"));
  }
}

TEST(ExplainConfig, ASectionHasTheFirstSentenceOfEachKeyAndTheKeyHasAll) {
  EXPECT_THAT(Explained("brakes"),
              HasSubstr("  burst: number\n      Kills at once, and how many a minute come back.\n"
                        "  per_minute: number\n"));
  EXPECT_THAT(Explained("brakes.burst"), HasSubstr("Defaults 10 and 30; 1 to 1000\neach."));
  // A stop within a sentence.
  EXPECT_THAT(Explained("classic"), HasSubstr("e.g. 0x5095 (the default).\n"));
}

TEST(ExplainConfig, AnUnknownKeyIsToldWithTheNearestOne) {
  EXPECT_EQ(Explained("brakes.brust"),
            "there is no key \"brakes.brust\"; did you mean \"brakes.burst\"?");
  EXPECT_THAT(Explained("colour"), HasSubstr("known keys here: node, runtime_dir"));
  EXPECT_EQ(Explained("node.id"), "there is nothing below node, it is a text");
  EXPECT_THAT(Explained("."), HasSubstr("there is no key"));
  EXPECT_THAT(Explained("brakes..burst"), HasSubstr("there is no key \"brakes.\""));
}

// A key nobody explains, or a line that a terminal breaks, is a fault of the schema.
void ExpectExplained(const Descriptor& root, const Descriptor& section, const std::string& path) {
  for (int i = 0; i < section.field_count(); ++i) {
    const auto& field = *section.field(i);
    const std::string name = path + field.name();
    const auto text = ExplainConfig(root, name);
    ASSERT_TRUE(text.ok()) << text.status();
    std::istringstream lines(*text);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      EXPECT_LE(line.size(), 80U) << line;
      if (number != 3) continue;
      EXPECT_NE(line, "") << name << " has no comment in config.proto";
    }
    if (field.message_type() != nullptr &&
        field.message_type()->full_name() != "google.protobuf.Duration") {
      ExpectExplained(root, *field.message_type(), name + ".");
    }
  }
}

TEST(ExplainConfig, EveryKeyHasAComment) {
  ExpectExplained(*v1::NodeConfig::descriptor(), *v1::NodeConfig::descriptor(), "");
  ExpectExplained(*v1::ControllerConfig::descriptor(), *v1::ControllerConfig::descriptor(), "");
}

}  // namespace
}  // namespace procctl
