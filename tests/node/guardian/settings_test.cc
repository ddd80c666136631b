#include "node/guardian/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace procctl::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/procctl-settings-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  absl::StatusOr<Settings> Read(const std::string& text) {
    const std::string file = dir_ + "/node.yaml";
    // Every test needs an uplink that exists and folders that are absolute; what it is about comes
    // on top.
    std::ofstream(file) << "runtime_dir: " << dir_ << "/run\nstate_dir: " << dir_
                        << "/state\nuplink: {path: /bin/true, user: root}\n"
                        << text;
    return ReadSettings(file);
  }
  std::string Refusal(const std::string& text) {
    return std::string(Read(text).status().message());
  }

  std::string dir_;
};

TEST_F(SettingsTest, DefaultsAreTheDocumentedOnes) {
  const auto settings = Read("node: web-01\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_TRUE(settings->enforce);
  EXPECT_EQ(settings->scan_interval, std::chrono::milliseconds(100));
  EXPECT_EQ(settings->grace, std::chrono::seconds(5));
  EXPECT_EQ(settings->limits.max_slots, 16384);
  EXPECT_EQ(settings->limits.max_slots_per_user, 4096);
  EXPECT_FALSE(settings->classic);
  EXPECT_FALSE(settings->controller);
}

TEST_F(SettingsTest, TheSpoolIsBoundedBySizeToo) {
  EXPECT_EQ(Read("node: a\n")->spool_bytes, int64_t{1} << 30);
  const auto with = [&](const std::string& size) {
    const std::string file = dir_ + "/spool.yaml";
    std::ofstream(file) << "node: a\nruntime_dir: " << dir_ << "/run\nstate_dir: " << dir_
                        << "/state\nuplink: {path: /bin/true, user: root, spool_size: " << size
                        << "}\n";
    return ReadSettings(file);
  };
  EXPECT_EQ(with("512M")->spool_bytes, int64_t{512} << 20);
  EXPECT_EQ(with("16M")->spool_bytes, int64_t{16} << 20);
  EXPECT_EQ(with("1T")->spool_bytes, int64_t{1} << 40);
  EXPECT_THAT(std::string(with("15M").status().message()),
              HasSubstr("spool.yaml:4: uplink.spool_size: 15M is not between 16M and 1T"));
  EXPECT_THAT(std::string(with("2T").status().message()), HasSubstr("not between"));
  EXPECT_THAT(std::string(with("many").status().message()), HasSubstr("uplink.spool_size"));
}

TEST_F(SettingsTest, EveryRefusalNamesTheLineAndTheWayOut) {
  EXPECT_THAT(Refusal(""), HasSubstr("add for example: node: web-01"));
  EXPECT_THAT(Refusal("node: Web_01\n"), HasSubstr("node.yaml:4: node: \"Web_01\" is not an id"));
  EXPECT_THAT(Refusal("node: a\nmode: enfroce\n"),
              HasSubstr("node.yaml:5: mode: \"enfroce\" is unknown"));
  EXPECT_THAT(Refusal("node: a\ngrace: 0s\n"), HasSubstr("node.yaml:5: grace: 0s is not between"));
  EXPECT_THAT(Refusal("node: a\nscan_interval: 2s\n"),
              HasSubstr("scan_interval: 2s is not between 10ms and 1s"));
  EXPECT_THAT(Refusal("node: a\nheartbeat:\n  max_slots: 0\n"),
              HasSubstr("node.yaml:6: heartbeat.max_slots: 0"));
  EXPECT_THAT(Refusal("node: a\nheartbeat: {min_timeout: 100ms}\n"), HasSubstr("not between 0.4s"));
  EXPECT_THAT(Refusal("node: a\nheartbeat: {socket_mode: \"999\"}\n"),
              HasSubstr("not an octal mode"));
  EXPECT_THAT(Refusal("node: a\nclassic: {enabled: true, group: no-such-group-here}\n"),
              HasSubstr("groupadd --system"));
  EXPECT_THAT(Refusal("node: a\nclassic: {enabled: true, key: 0x}\n"),
              HasSubstr("not a key such as 0x5095"));
  EXPECT_THAT(Refusal("node: a\ncontroller: {address: nowhere}\n"), HasSubstr("is not host:port"));
  EXPECT_THAT(Refusal("node: a\ncontroller: {address: \"c:7443\"}\n"), HasSubstr("controller.ca"));
  EXPECT_THAT(Refusal("node: a\nprotected: [a-name-longer-than-the-kernel-keeps]\n"),
              HasSubstr("protected.0"));
  EXPECT_THAT(Refusal("node: a\nscan_intervall: 50ms\n"),
              HasSubstr("did you mean \"scan_interval\"?"));
  EXPECT_THAT(Refusal("node: a\nnode: b\n"), HasSubstr("given twice"));
}

TEST_F(SettingsTest, AllFaultsAreToldAtOnceInTheOrderOfTheFile) {
  std::istringstream told(
      Refusal("node: a\n"
              "scan_intervall: 50ms\n"
              "mode: observe\n"
              "mode: enforce\n"
              "heartbeat: {max_slots: 0, min_timeout: soon}\n"
              "grace: 0s\n"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(told, line);) lines.push_back(line);
  EXPECT_THAT(lines, ElementsAre(HasSubstr("node.yaml has 5 faults:"),
                                 HasSubstr("node.yaml:5: unknown key \"scan_intervall\""),
                                 HasSubstr("node.yaml:7: \"mode\" is given twice"),
                                 HasSubstr("node.yaml:8: min_timeout: "),
                                 HasSubstr("node.yaml:8: heartbeat.max_slots: 0 is not between"),
                                 HasSubstr("node.yaml:9: grace: 0s is not between")));
}

TEST_F(SettingsTest, AFaultIsToldOnceAndNothingElseIsBlamedForIt) {
  // Not "no id" as well; not "0 slots" as well; not a longest timeout below the shortest.
  for (const char* text :
       {"nod: web-01\n", "node: [a, b]\n", "node: a\nheartbeat: {max_slots: many}\n",
        "node: a\nheartbeat: {min_timeout: 40h}\n", "node: a\ncontroller: 5\n",
        "node: a\nrules: [5]\n", "node: a\nprotected: [[b]]\n", "node: a\nprotected: {b: c}\n",
        "node: a\nscan_interval: 9s\n", "node: a\ncanary: {evry: 10m}\n",
        // What is bounded by a refused value is not measured by the one that stands in for it.
        "node: a\nscan_interval: 20\nheartbeat: {min_timeout: 100ms}\n",
        "node: a\nheartbeat: {max_slots: many, max_slots_per_user: 20000}\n",
        "node: a\nheartbeat: {max_slots: 0, max_slots_per_user: 20000}\n",
        "node: a\nheartbeat: {min_timeout: 1, max_timeout: 450ms}\n",
        "node: a\nheartbeat: {max_timeout: 60d}\nrules: [{name: x, shadow_timeout: 48h}]\n"}) {
    const std::string refusal = Refusal(text);
    EXPECT_THAT(refusal, HasSubstr("node.yaml:")) << text;
    EXPECT_EQ(refusal.find('\n'), std::string::npos) << text << refusal;
  }
}

TEST_F(SettingsTest, AFaultHidesNoOther) {
  // The nearest key is there as well; its section is told but not what is in it; the first of two.
  const std::vector<std::pair<const char*, const char*>> texts = {
      {"node: a\nheartbeat: {max_slot: 5, max_slots: 0}\n", "heartbeat.max_slots: 0"},
      {"node: a\nmode: enfroce\nmode: observe\n", "mode: \"enfroce\" is unknown"},
      {"node: a\nclassic: {enabled: perhaps, slots: 0}\n", "classic.slots: 0"},
      {"node: a\ncontroller: {adress: \"c:1\", ca: /none, cert: /dev/null, key: /dev/null}\n",
       "controller.ca: "},
      {"node: a\nlog: {level: loud, format: xml}\n", "log.format: \"xml\" is unknown"},
  };
  for (const auto& [text, hidden] : texts) {
    const std::string refusal = Refusal(text);
    EXPECT_THAT(refusal, HasSubstr("node.yaml has ")) << text;
    EXPECT_THAT(refusal, HasSubstr(hidden)) << text;
  }
}

TEST_F(SettingsTest, WhatTheLoggerWouldRefuseAtTheStartIsRefusedByTheCheck) {
  EXPECT_THAT(Refusal("node: a\nlog: {level: loud}\n"),
              HasSubstr("node.yaml:5: log.level: \"loud\" is unknown; use debug, info"));
}

TEST_F(SettingsTest, WhereTheFileIsNotReadToItsEndNoKeyIsCalledMissing) {
  std::string text = "controller:\n";
  for (int i = 0; i < 1100; ++i) text += "  unknown_" + std::to_string(i) + ": 1\n";
  const std::string refusal = Refusal(text + "  address: c:7443\nnode: a\n");
  EXPECT_THAT(refusal, HasSubstr("node.yaml has more than 1000 faults:"));
  EXPECT_EQ(refusal.find("is missing"), std::string::npos) << refusal;
}

TEST_F(SettingsTest, AClassicTableIsReadWithKeyAndUsers) {
  const auto settings =
      Read("node: a\nclassic: {enabled: true, key: 0x5096, slots: 50, users: [root]}\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_TRUE(settings->classic);
  EXPECT_EQ(settings->classic->key, 0x5096);
  EXPECT_EQ(settings->classic->rows, 50);
  EXPECT_EQ(settings->classic->users, std::vector<uid_t>{0});
}

TEST_F(SettingsTest, ProgramsHaveTheNodesGraceAndNoShorterWatchdogThanItCanTell) {
  const std::string node = "node: a\ngrace: 9s\nscan_interval: 1s\nheartbeat: {min_timeout: 4s}\n";
  const auto settings = Read(node + "programs: [{name: web, shell: exec web}]\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->programs.size(), 1U);
  EXPECT_EQ(settings->programs[0].name, "web");
  EXPECT_EQ(settings->programs[0].grace, std::chrono::seconds(9));
  const std::string beating = "programs: [{name: web, shell: exec web, door: notify, watchdog: ";
  EXPECT_TRUE(Read(node + beating + "4s}]\n").ok()) << Refusal(node + beating + "4s}]\n");
  EXPECT_THAT(Refusal(node + beating + "3s}]\n"),
              HasSubstr("node.yaml:8: programs.0.watchdog: 3s is not between 4s and 1d"));
}

TEST_F(SettingsTest, AKeyFileThatOthersCanReadIsRefused) {
  for (const char* name : {"ca", "cert", "key"}) std::ofstream(dir_ + "/" + name) << "x";
  std::filesystem::permissions(dir_ + "/key", std::filesystem::perms(0644));
  const std::string controller = "node: a\ncontroller: {address: \"c:7443\", ca: " + dir_ +
                                 "/ca, cert: " + dir_ + "/cert, key: " + dir_ + "/key}\n";
  EXPECT_THAT(Refusal(controller), HasSubstr("chmod 600"));
  std::filesystem::permissions(dir_ + "/key", std::filesystem::perms(0600));
  EXPECT_TRUE(Read(controller).ok()) << Read(controller).status();
}

TEST_F(SettingsTest, BrakesRulesAndCanaryHaveTheirDefaultsAndBounds) {
  const auto plain = Read("node: a\n");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->brakes.burst, 10);
  EXPECT_EQ(plain->brakes.per_minute, 30);
  EXPECT_TRUE(plain->brakes.common_cause);
  EXPECT_EQ(plain->brakes.pause, std::chrono::seconds(60));
  EXPECT_EQ(plain->near_miss_percent, 80);
  EXPECT_FALSE(plain->canary_every);
  EXPECT_FALSE(plain->rules.For("x").observe);
  EXPECT_EQ(plain->rules.For("x").grace, std::chrono::seconds(5));

  const auto given = Read(
      "node: a\ngrace: 3s\nbrakes: {burst: 2, common_cause: {mode: \"off\"}}\ncanary: {every: "
      "10m}\n"
      "rules:\n  - {name: batch-*, mode: observe}\n"
      "  - {name: enc, shadow_timeout: 2s, max_busy: 5m, grace: 9s}\n");
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->brakes.burst, 2);
  EXPECT_FALSE(given->brakes.common_cause);
  EXPECT_EQ(given->canary_every, std::chrono::minutes(10));
  EXPECT_TRUE(given->rules.For("batch-7").observe);
  EXPECT_EQ(given->rules.For("batch-7").grace, std::chrono::seconds(3));
  EXPECT_EQ(given->rules.For("enc").shadow_timeout, std::chrono::seconds(2));
  EXPECT_EQ(given->rules.For("enc").max_busy, std::chrono::minutes(5));

  EXPECT_THAT(Refusal("node: a\nbrakes: {burst: 0}\n"), HasSubstr("brakes.burst: 0"));
  EXPECT_THAT(Refusal("node: a\nbrakes: {common_cause: {share_percent: 101}}\n"),
              HasSubstr("brakes.common_cause.share_percent: 101"));
  EXPECT_THAT(Refusal("node: a\nbrakes: {common_cause: {mode: maybe}}\n"),
              HasSubstr("use on or off"));
  EXPECT_THAT(Refusal("node: a\nrules:\n  - {mode: observe}\n"), HasSubstr("a rule needs a name"));
  EXPECT_THAT(Refusal("node: a\nrules:\n  - {name: x, mode: obs}\n"),
              HasSubstr("rules.0.mode: \"obs\" is unknown"));
  EXPECT_THAT(Refusal("node: a\nrules:\n  - {name: x, shadow_timeout: 1ms}\n"),
              HasSubstr("rules.0.shadow_timeout"));
  EXPECT_THAT(Refusal("node: a\ncanary: {every: 1s}\n"), HasSubstr("canary.every"));
  EXPECT_THAT(Refusal("node: a\nheartbeat: {near_miss_percent: 100}\n"),
              HasSubstr("near_miss_percent: 100"));
}

}  // namespace
}  // namespace procctl::node
