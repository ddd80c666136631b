#include "controller/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
