#include "controller/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "procctl/v1/config.pb.h"
#include "proto/support/yaml_config.h"
#include "tests/proto/test_fleet.h"

namespace procctl::controller {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class SettingsTest : public ::testing::Test {
 protected:
  std::string Certificates() {
    const TlsFiles files = fleet_.Controller();
    return "ca: " + files.ca + "\ncert: " + files.cert + "\nkey: " + files.key + "\n";
  }
  std::string Refusal(const std::string& text) {
    const auto settings = ReadSettings(folder_.Write("c.yaml", text));
    EXPECT_FALSE(settings.ok()) << text;
    std::string message(settings.status().message());
    // Without the folder.
    return message.substr(std::min(message.size(), folder_.path().size() + 1));
  }

  testing::TestFleet fleet_;
  testing::TemporaryFolder folder_;
};

TEST_F(SettingsTest, WhatIsAbsentHasItsDefault) {
  const auto settings = ReadSettings(folder_.Write("c.yaml", Certificates()));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->server.listen, "0.0.0.0:7443");
  EXPECT_EQ(settings->server.state_dir, "/var/lib/procctl-controller");
  EXPECT_EQ(settings->server.heartbeat_interval, std::chrono::seconds(10));
  EXPECT_EQ(settings->server.liveness.suspect_after, std::chrono::seconds(25));
  EXPECT_EQ(settings->server.liveness.lost_after, std::chrono::seconds(45));
  EXPECT_EQ(settings->server.liveness.start_grace, std::chrono::minutes(3));
  EXPECT_EQ(settings->server.liveness.forget_after, std::chrono::hours(24 * 7));
  EXPECT_EQ(settings->server.connections.per_address, 64);
  EXPECT_EQ(settings->server.connections.handshake_timeout, std::chrono::seconds(10));
  EXPECT_EQ(settings->server.memory, 0);
  EXPECT_TRUE(settings->server.orders_without_disk);
  EXPECT_FALSE(settings->server.reflection);
  EXPECT_EQ(settings->max_connections, 0);
  EXPECT_EQ(settings->server.identity.role, Role::kController);
}

TEST_F(SettingsTest, WhatIsThereIsTaken) {
  const auto settings = ReadSettings(folder_.Write(
      "c.yaml", Certificates() + "listen: \"[::1]:0\"\nstate_dir: /s\nheartbeat_interval: 2s\n"
                                 "suspect_after: 5s\nlost_after: 6s\nmax_connections: 100\n"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->server.listen, "[::1]:0");
  EXPECT_EQ(settings->server.liveness.lost_after, std::chrono::seconds(6));
  EXPECT_EQ(settings->max_connections, 100);
}

TEST_F(SettingsTest, EachRefusalNamesLineAndRemedy) {
  const std::string rest = Certificates();
  EXPECT_THAT(Refusal("listen: nowhere\n" + rest), StartsWith("c.yaml:1: listen: "));
  EXPECT_THAT(Refusal("\nheartbeat_interval: 15s\n" + rest),
              StartsWith("c.yaml:2: heartbeat_interval: heartbeats every 15s"));
  EXPECT_THAT(Refusal("suspect_after: 20s\n" + rest), StartsWith("c.yaml:1: suspect_after: "));
  EXPECT_THAT(Refusal("heartbeat_interval: 10ms\n"), HasSubstr("500ms to 24h"));
  EXPECT_THAT(Refusal("suspect_after: 30s\nlost_after: 30s\n" + rest),
              StartsWith("c.yaml:2: lost_after: "));
  EXPECT_THAT(Refusal("max_connections: 3\n"), HasSubstr("16 to 1000000"));
  EXPECT_THAT(Refusal("listen: 127.0.0.1:1\n"), HasSubstr("procctl-controller init"));
}

TEST_F(SettingsTest, TheExampleIsGoodAndNamesEveryKey) {
  std::ifstream file(PROCCTL_EXAMPLES_DIR "/controller.yaml");
  const std::string example((std::istreambuf_iterator<char>(file)), {});
  // All but the certificates, which are the test's own.
  std::string text = Certificates();
  std::istringstream all(example);
  for (std::string line; std::getline(all, line);) {
    const std::string key = line.substr(0, line.find(':'));
    if (key != "ca" && key != "cert" && key != "key") text += line + "\n";
  }
  const auto settings = ReadSettings(folder_.Write("c.yaml", text));
  ASSERT_TRUE(settings.ok()) << settings.status();
  v1::ControllerConfig config;
  ConfigLines lines;
  ConfigFaults faults("c.yaml");
  ASSERT_TRUE(ParseYamlConfig("c.yaml", text, &config, &lines, &faults).ok());
  const auto expect_all = [&](const google::protobuf::Descriptor& section,
                              const std::string& prefix) {
    for (int i = 0; i < section.field_count(); ++i) {
      EXPECT_TRUE(lines.contains(prefix + section.field(i)->name())) << section.field(i)->name();
    }
  };
  expect_all(*v1::ControllerConfig::descriptor(), "");
  expect_all(*v1::HistoryConfig::descriptor(), "history.");
  expect_all(*v1::ControllerLimits::descriptor(), "limits.");
}

TEST_F(SettingsTest, LimitsAreTaken) {
  const auto settings = ReadSettings(folder_.Write(
      "c.yaml",
      Certificates() +
          "start_grace: 0s\nforget_after: 0s\nhistory: {keep: 0s, max_size: 0, check: 0s}\n"
          "limits: {connections_per_address: 1, handshake_timeout: 2m, memory: 1.5G, watches: 7, "
          "operator_targets: 2, admin_targets: 3, operator_targets_at_most: 4, "
          "admin_targets_at_most: 5, orders_without_disk: refuse}\n"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  const ServerOptions& server = settings->server;
  EXPECT_EQ(server.liveness.start_grace, std::chrono::seconds(0));
  EXPECT_EQ(server.liveness.forget_after, std::chrono::seconds(0));
  EXPECT_EQ(server.history.keep, std::chrono::seconds(0));
  EXPECT_EQ(server.history.max_bytes, 0);
  EXPECT_EQ(server.history.check, std::chrono::seconds(0));
  EXPECT_EQ(server.connections.per_address, 1);
  EXPECT_EQ(server.connections.handshake_timeout, std::chrono::minutes(2));
  EXPECT_EQ(server.memory, 3LL << 29);
  EXPECT_EQ(server.watches, 7);
  EXPECT_EQ(server.order_limits.operator_targets, 2);
  EXPECT_EQ(server.order_limits.admin_targets, 3);
  EXPECT_EQ(server.order_limits.operator_at_most, 4);
  EXPECT_EQ(server.order_limits.admin_at_most, 5);
  EXPECT_FALSE(server.orders_without_disk);
}

TEST_F(SettingsTest, LimitsOutOfBoundsAreRefused) {
  const std::string rest = Certificates();
  const std::pair<const char*, const char*> refused[] = {
      {"max_connections: 0\n", "c.yaml:1: max_connections: must be 16 to"},
      {"start_grace: 25h\n", "c.yaml:1: start_grace: must be at most 24h"},
      {"forget_after: 45s\n", "c.yaml:1: forget_after: forgotten after 45s must be more"},
      {"history: {keep: 59m}\n", "c.yaml:1: history.keep: must be at least 1h"},
      {"history: {max_size: 15M}\n", "c.yaml:1: history.max_size: 15M is too little; use at "},
      {"history: {max_size: 10GB}\n", "c.yaml:1: history.max_size: "},
      {"history: {check: 61m}\n", "c.yaml:1: history.check: must be at most 1h"},
      {"limits: {connections_per_address: 0}\n",
       "c.yaml:1: limits.connections_per_address: 0 is not 1 to 1000000; leave it out for 64"},
      {"limits: {handshake_timeout: 999ms}\n", "c.yaml:1: limits.handshake_timeout: "},
      {"limits: {handshake_timeout: 121s}\n", "c.yaml:1: limits.handshake_timeout: "},
      {"limits: {memory: 0}\n", "c.yaml:1: limits.memory: 0 is too little; use at least 128M"},
      {"limits: {memory: 127M}\n", "c.yaml:1: limits.memory: 127M is too little"},
      {"limits: {watches: -1}\n", "c.yaml:1: limits.watches: -1 is not 1 to"},
      {"limits: {operator_targets: 1001}\n",
       "c.yaml:1: limits.operator_targets: 1001 targets without a confirmation are more than the "
       "1000 of limits.operator_targets_at_most"},
      {"limits: {admin_targets_at_most: 499}\n", "c.yaml:1: limits.admin_targets_at_most: 500 "},
      {"limits: {orders_without_disk: maybe}\n", "c.yaml:1: limits.orders_without_disk: must "},
      {"limits: {orders_without_disk: \"\"}\n", "c.yaml:1: limits.orders_without_disk: must "},
  };
  for (const auto& [text, why] : refused) EXPECT_THAT(Refusal(text + rest), StartsWith(why));
}

TEST_F(SettingsTest, AllFaultsAreToldAtOnce) {
  const std::string told = Refusal("listen: nowhere\nmax_conections: 100\nreflection: maybe\n");
  EXPECT_THAT(told, StartsWith("c.yaml has 6 faults:\n"));
  for (const char* fault : {"c.yaml:1: listen: ", "c.yaml:2: unknown key \"max_conections\"",
                            "c.yaml:3: reflection: ", "c.yaml: ca: is required",
                            "c.yaml: cert: is required", "c.yaml: key: is required"}) {
    EXPECT_THAT(told, HasSubstr(fault));
  }
}

TEST_F(SettingsTest, ARefusedTimeNeitherHidesNorBlamesAnother) {
  const std::string rest = Certificates();
  const std::string both = Refusal("heartbeat_interval: 10ms\nlost_after: 48h\n" + rest);
  EXPECT_THAT(both, StartsWith("c.yaml has 2 faults:\n"));
  EXPECT_THAT(both, HasSubstr("c.yaml:2: lost_after: "));
  EXPECT_THAT(Refusal("suspect_after: 60\nheartbeat_interval: 20s\nlost_after: 30s\n" + rest),
              StartsWith("c.yaml:1: suspect_after: "));
  EXPECT_THAT(Refusal("suspect_after: 60s\nlost_after: 90\n" + rest),
              StartsWith("c.yaml:2: lost_after: "));
  EXPECT_THAT(Refusal("log: {level: loud}\n" + rest),
              StartsWith("c.yaml:1: log.level: \"loud\" is unknown; use debug"));
}

TEST_F(SettingsTest, TheCertificateMustBeAControllers) {
  const TlsFiles files = fleet_.Issue(Role::kNode, "web-01");
  EXPECT_THAT(Refusal("ca: " + files.ca + "\ncert: " + files.cert + "\nkey: " + files.key + "\n"),
              HasSubstr("the certificate of node/web-01; a controller's is needed"));
}

}  // namespace
}  // namespace procctl::controller
