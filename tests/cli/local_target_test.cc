#include "cli/local_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string With(std::string_view text) {
  const auto full = WithNode("web-01", text);
  EXPECT_TRUE(full.ok()) << full.status();
  return full.value_or("");
}

TEST(LocalTarget, TheNodeMayBeLeftOut) {
  EXPECT_EQ(With("encoder"), "web-01/encoder");
  EXPECT_EQ(With("web@2"), "web-01/web@2");
  EXPECT_EQ(With(":4182"), "web-01:4182");
}

TEST(LocalTarget, TheNodeMayBeThere) {
  EXPECT_EQ(With("web-01/encoder"), "web-01/encoder");
  EXPECT_EQ(With("web-01:4182"), "web-01:4182");
  // Whatever follows the node is the slot's.
  EXPECT_EQ(With("web-01/web-02/encoder"), "web-01/web-02/encoder");
}

TEST(LocalTarget, WhatIsNoNodeBelongsToTheName) {
  EXPECT_EQ(With("4182"), "web-01/4182");
  EXPECT_EQ(With("encoder:3"), "web-01/encoder:3");
  EXPECT_EQ(With("Encoder_A/3"), "web-01/Encoder_A/3");
}

TEST(LocalTarget, AnotherNodeIsRefused) {
  for (const char* text : {"web-02/encoder", "web-0/encoder", "web-011/encoder"}) {
    const auto full = WithNode("web-01", text);
    ASSERT_TRUE(absl::IsInvalidArgument(full.status())) << text;
    EXPECT_THAT(std::string(full.status().message()), HasSubstr("this host is web-01"));
  }
}

TEST(LocalTarget, SomeCommandsTakeTheNodeItself) {
  Options options;
  options.targets = {"web-01", "web"};
  options.verb = Verb::kListPrograms;
  ASSERT_TRUE(AddNode("web-01", &options).ok());
  EXPECT_THAT(options.targets, ElementsAre("web-01", "web-01/web"));
  // Nobody kills a node: it is a slot of that name.
  options.targets = {"web-01"};
  options.verb = Verb::kKill;
  ASSERT_TRUE(AddNode("web-01", &options).ok());
  EXPECT_THAT(options.targets, ElementsAre("web-01/web-01"));
}

TEST(LocalTarget, ReloadMeansThisNodeAndNoOther) {
  Options options;
  options.verb = Verb::kReload;
  ASSERT_TRUE(AddNode("web-01", &options).ok());
  EXPECT_THAT(options.targets, ElementsAre("web-01"));
  options.targets = {"web-01", "web-02"};
  EXPECT_TRUE(absl::IsInvalidArgument(AddNode("web-01", &options)));
}

TEST(LocalTarget, TheSocketIsWhereTheNodePutsIt) {
  const Environment with_folder = [](const std::string& name) {
    return name == "XDG_RUNTIME_DIR" ? "/run/user/7" : "";
  };
  const Environment empty = [](const std::string&) { return ""; };
  const auto own = [](const std::string& path) {
    return path == "/run/user/7/procctl/control.sock";
  };
  const auto all = [](const std::string&) { return true; };
  const auto none = [](const std::string&) { return false; };
  const auto of_host = [](const std::string& path) { return path == "/run/procctl/control.sock"; };
  EXPECT_EQ(LocalSocketPath("/srv/x", true, with_folder, all), "/srv/x/control.sock");
  EXPECT_EQ(LocalSocketPath("", true, with_folder, own), "/run/procctl/control.sock");
  EXPECT_EQ(LocalSocketPath("", false, with_folder, all), "/run/user/7/procctl/control.sock");
  EXPECT_EQ(LocalSocketPath("", false, with_folder, none), "/run/user/7/procctl/control.sock");
  EXPECT_EQ(LocalSocketPath("", false, with_folder, of_host), "/run/procctl/control.sock");
  EXPECT_EQ(LocalSocketPath("", false, empty, none), "/run/procctl/control.sock");
}

}  // namespace
}  // namespace procctl::cli
