#include "proto/support/yaml_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "procctl/v1/config.pb.h"
#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The refusal of a text, or "accepted".
std::string Refusal(std::string_view text) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("node.yaml");
  absl::Status status = ParseYamlConfig("node.yaml", text, &config, &lines, &faults);
  if (status.ok()) status = faults.status();
  return status.ok() ? "accepted" : std::string(status.message());
}

TEST(YamlConfig, FillsEveryKindOfField) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("node.yaml");
  const auto status = ParseYamlConfig("node.yaml",
                                      "node: web-01\n"
                                      "grace: 7s\n"
                                      "heartbeat:\n"
                                      "  max_slots: 12\n"
                                      "classic: {enabled: true, key: 0x5095}\n"
                                      "uplink: {spool_events: 5000000000}\n"
                                      "protected: [sshd, \"my db\"]\n",
                                      &config, &lines, &faults);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(faults.empty()) << faults.status();
  EXPECT_EQ(config.node(), "web-01");
  EXPECT_EQ(config.grace().seconds(), 7);
  EXPECT_EQ(config.heartbeat().max_slots(), 12);
  EXPECT_TRUE(config.classic().enabled());
  EXPECT_EQ(config.classic().key(), "0x5095");
  EXPECT_EQ(config.uplink().spool_events(), 5'000'000'000);
  ASSERT_EQ(config.protected__size(), 2);
  EXPECT_EQ(config.protected_(1), "my db");
  EXPECT_EQ(lines.at("heartbeat.max_slots"), 4);
  EXPECT_EQ(lines.at("protected.1"), 7);
}

TEST(YamlConfig, AnItemKeepsItsPlaceInAListWhereAnotherIsRefused) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("node.yaml");
  const auto status = ParseYamlConfig("node.yaml",
                                      "programs:\n"
                                      "- success_codes: [3, many, 5]\n"
                                      "  env: [A=1, [B], C=3]\n",
                                      &config, &lines, &faults);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(config.programs(0).success_codes(), ElementsAre(3, 0, 5));
  EXPECT_THAT(config.programs(0).env(), ElementsAre("A=1", "", "C=3"));
  EXPECT_FALSE(faults.Told("programs.0.success_codes.0"));
  EXPECT_TRUE(faults.Told("programs.0.success_codes.1"));
  EXPECT_EQ(lines.at("programs.0.success_codes.2"), 2);
}

TEST(YamlConfig, AnEmptyFileIsAllDefaults) {
  EXPECT_EQ(Refusal(""), "accepted");
  EXPECT_EQ(Refusal("# nothing\n"), "accepted");
  EXPECT_EQ(Refusal("heartbeat:\n"), "accepted");
}

TEST(YamlConfig, UnknownKeyIsRefusedWithItsLineAndTheNearestName) {
  EXPECT_THAT(Refusal("node: a\nscan_intervall: 100ms\n"),
              AllOf(StartsWith("node.yaml:2:"), HasSubstr("\"scan_intervall\""),
                    HasSubstr("did you mean \"scan_interval\"?")));
}

TEST(YamlConfig, UnknownKeyFarFromAllListsWhatIsKnownThere) {
  EXPECT_THAT(Refusal("heartbeat:\n  colour: red\n"),
              AllOf(StartsWith("node.yaml:2:"), HasSubstr("known keys here: min_timeout")));
}

TEST(YamlConfig, AKeyGivenTwiceIsRefusedAtTheSecondOne) {
  EXPECT_THAT(Refusal("node: a\nmode: observe\nnode: b\n"),
              AllOf(StartsWith("node.yaml:3:"), HasSubstr("given twice")));
  EXPECT_THAT(Refusal("log:\n  level: info\n  level: debug\n"), StartsWith("node.yaml:3:"));
}

TEST(YamlConfig, ValuesOfTheWrongTypeAreRefusedWithTheirLine) {
  EXPECT_THAT(Refusal("\ngrace: 5\n"), AllOf(StartsWith("node.yaml:2:"), HasSubstr("grace")));
  EXPECT_THAT(Refusal("grace: -5s\n"), HasSubstr("not a duration"));
  EXPECT_THAT(Refusal("heartbeat: {max_slots: many}\n"), HasSubstr("not a whole number"));
  EXPECT_THAT(Refusal("heartbeat: {max_slots: 3000000000}\n"), HasSubstr("not a whole number"));
  EXPECT_THAT(Refusal("classic: {enabled: perhaps}\n"), HasSubstr("neither true nor false"));
  EXPECT_THAT(Refusal("node: [a, b]\n"), HasSubstr("single value"));
  EXPECT_THAT(Refusal("protected: sshd\n"), HasSubstr("must be a list"));
  EXPECT_THAT(Refusal("heartbeat: 5\n"), HasSubstr("expected keys and values"));
  EXPECT_THAT(Refusal("- a\n- b\n"), HasSubstr("expected keys and values"));
}

TEST(YamlConfig, TextThatCannotBePrintedIsRefusedAndNotShownRaw) {
  EXPECT_EQ(Refusal("node: a\nstate_dir: \"/x\\0y\"\n"),
            "node.yaml:2: state_dir: \"/x\\x00y\" holds what cannot be printed; use plain text");
  EXPECT_THAT(Refusal("mode: \"\\e[2J\"\n"), HasSubstr("\\x1b[2J"));
  EXPECT_THAT(Refusal("state_dir: /x\xff\n"), HasSubstr("/x\\xff"));
  EXPECT_THAT(Refusal("protected: [\"a\\nb\"]\n"), HasSubstr("cannot be printed"));
  EXPECT_THAT(Refusal("\"\\e[2J\": 1\n"), HasSubstr("unknown key \"\\x1b[2J\""));
  EXPECT_EQ(Refusal("state_dir: /srv/été\n"), "accepted");
}

TEST(YamlConfig, SyntaxErrorsNameTheLineAndNeverThrow) {
  EXPECT_THAT(Refusal("node: a\nlog: {level: [\n"), StartsWith("node.yaml:"));
  EXPECT_THAT(Refusal("a: b: c\n"), StartsWith("node.yaml:1:"));
  EXPECT_THAT(Refusal("node: a\n---\nnode: b\n"), HasSubstr("a second YAML document"));
  EXPECT_NE(Refusal(std::string(5000, '[')), "accepted");
  EXPECT_NE(Refusal("? [a, b]\n: c\n"), "accepted");
}

// The YAML library makes endless empty documents out of these.
TEST(YamlConfig, AStrayBracketIsRefusedAndDoesNotEatTheMemory) {
  EXPECT_THAT(Refusal("node: a\nprotected: [b]]\n"), StartsWith("node.yaml:2:"));
  EXPECT_THAT(Refusal("node: a\n}\n"), StartsWith("node.yaml:"));
  EXPECT_THAT(Refusal(", node: a\n"), StartsWith("node.yaml:1:"));
}

TEST(YamlConfig, ARefusalAfterParsingNamesTheLineToo) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("f");
  ASSERT_TRUE(ParseYamlConfig("f", "log:\n  level: loud\n", &config, &lines, &faults).ok());
  ConfigFaults absent = faults;
  faults.AddKey(lines, "log.level", "no such level");
  EXPECT_EQ(faults.status().message(), "f:2: log.level: no such level");
  absent.AddKey(lines, "node", "is required");
  EXPECT_EQ(absent.status().message(), "f: node: is required");
}

TEST(ConfigFaults, AreToldInTheOrderOfTheFile) {
  ConfigFaults faults("f");
  EXPECT_TRUE(faults.status().ok());
  faults.AddKey({{"b", 7}}, "b", "second");
  faults.AddKey({}, "c", "nowhere, so last");
  faults.AddAt(2, "first");
  EXPECT_EQ(faults.status().message(),
            "f has 3 faults:\n  f:2: first\n  f:7: b: second\n  f: c: nowhere, so last");
}

TEST(ConfigFaults, WhatFollowsFromAFaultIsNotTold) {
  ConfigFaults faults("f");
  faults.Taint("brakes.common_cause");
  faults.AddKey({}, "brakes.common_cause", "itself");
  faults.AddKey({}, "brakes.common_cause.least", "in it");
  EXPECT_TRUE(faults.empty());
  faults.AddKey({}, "brakes", "around it");
  faults.AddKey({}, "brakes.common_cause_too", "beside it");
  EXPECT_THAT(std::string(faults.status().message()), StartsWith("f has 2 faults:"));
}

TEST(ConfigFaults, TheFirst20OfTheFileAreListedAndTheRestIsCounted) {
  ConfigFaults faults("f");
  // Found from the end of the file to its begin.
  for (int i = 21; i >= 2; --i) faults.AddAt(i, "bad");
  EXPECT_THAT(std::string(faults.status().message()),
              AllOf(StartsWith("f has 20 faults:\n  f:2: bad\n"), EndsWith("\n  f:21: bad")));
  faults.AddAt(1, "bad");
  EXPECT_THAT(std::string(faults.status().message()),
              AllOf(StartsWith("f has 21 faults:\n  f:1: bad\n"),
                    EndsWith("\n  f:20: bad\n  ... and 1 more")));
}

TEST(ConfigFaults, PastTheMostCountedNothingIsCalledMissing) {
  ConfigFaults faults("f");
  for (size_t i = 0; i < ConfigFaults::kMostCounted; ++i) faults.AddAt(5, "bad");
  EXPECT_FALSE(faults.full());
  faults.AddAt(5, "bad");
  EXPECT_TRUE(faults.full());
  faults.AddKey({{"node", 1}}, "node", "is missing");
  EXPECT_THAT(std::string(faults.status().message()),
              AllOf(StartsWith("f has more than 1000 faults:\n  f:5: bad\n"),
                    EndsWith("\n  ... and more than 980 more")));
}

TEST(ConfigFaults, AKeyIsToldWhereItOrItsSectionWasRefused) {
  ConfigFaults faults("f");
  EXPECT_FALSE(faults.Told("grace"));
  faults.AddKey({}, "grace", "too long");
  faults.Taint("heartbeat");
  EXPECT_TRUE(faults.Told("grace"));
  EXPECT_TRUE(faults.Told("heartbeat.max_slots"));
  EXPECT_FALSE(faults.Told("node"));
}

// Aliases make a file of a few lines into one of millions of faults.
TEST(YamlConfig, AFileWithoutEndToItsFaultsIsNotReadToItsEnd) {
  std::string text = "rules:\n  - &a {";
  for (int i = 0; i < 1000; ++i) text += "unknown_" + std::to_string(i) + ": 1, ";
  text += "}\n";
  for (int i = 0; i < 10000; ++i) text += "  - *a\n";
  EXPECT_THAT(Refusal(text), StartsWith("node.yaml has more than 1000 faults:"));
}

TEST(YamlConfig, GoesOnAfterEachFault) {
  EXPECT_EQ(Refusal("node: a\n"
                    "mdoe: observe\n"
                    "node: b\n"
                    "heartbeat: {max_slots: many}\n"
                    "protected: [\"a\\nb\", c]\n"),
            "node.yaml has 4 faults:\n"
            "  node.yaml:2: unknown key \"mdoe\"; did you mean \"mode\"?\n"
            "  node.yaml:3: \"node\" is given twice; keep one\n"
            "  node.yaml:4: max_slots: \"many\" is not a whole number\n"
            "  node.yaml:5: protected: \"a\\x0ab\" holds what cannot be printed; use plain text");
}

TEST(ReadYamlConfig, SaysWhyAFileCannotBeRead) {
  const testing::TemporaryFolder folder;
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("any");
  EXPECT_TRUE(absl::IsNotFound(ReadYamlConfig(folder.path() + "/none", &config, &lines, &faults)));
  EXPECT_FALSE(ReadYamlConfig(folder.path(), &config, &lines, &faults).ok());
  const std::string big = folder.Write("big", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(std::string(ReadYamlConfig(big, &config, &lines, &faults).message()),
              HasSubstr("1 MiB"));
  const std::string good = folder.Write("good", "node: web-01\n");
  EXPECT_TRUE(ReadYamlConfig(good, &config, &lines, &faults).ok());
  EXPECT_EQ(config.node(), "web-01");
}

}  // namespace
}  // namespace procctl
