// Programs of a configuration as it is written, checked without a file.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "node/guardian/program_settings.h"
#include "proto/support/yaml_config.h"

namespace procctl::node {

inline ProgramDefaults Standard() {
  ProgramDefaults defaults;
  defaults.grace = std::chrono::seconds(7);
  defaults.root = geteuid() == 0;
  return defaults;
}

struct Checked {
  std::vector<ProgramSpec> specs;
  absl::Status status;
};

inline Checked Check(const std::string& text, const ProgramDefaults& defaults = Standard()) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults("node.yaml");
  const absl::Status parsed = ParseYamlConfig("node.yaml", text, &config, &lines, &faults);
  if (!parsed.ok()) return {{}, parsed};
  std::vector<ProgramSpec> specs = CheckPrograms(config, lines, &faults, defaults);
  return {std::move(specs), faults.status()};
}

// A program `web`, and `api` with `keys`, which begin in kFirstLine.
inline std::string Program(const std::string& keys) {
  return "programs:\n- {name: web, command: [/bin/true]}\n- name: api\n  command: [/bin/true]\n" +
         keys;
}
// The place of `api`.
inline constexpr size_t kProgram = 1;
inline constexpr int kFirstLine = 5;

inline std::vector<std::string> Faults(const std::string& text,
                                       const ProgramDefaults& defaults = Standard()) {
  std::istringstream told(std::string(Check(text, defaults).status.message()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(told, line);) lines.push_back(line);
  return lines;
}

// The one fault of the file is in the first line of `keys`, of this key, and says this.
inline void ExpectRefused(const std::string& keys, const std::string& key, const std::string& text,
                          const ProgramDefaults& defaults = Standard()) {
  const std::vector<std::string> faults = Faults(Program(keys), defaults);
  ASSERT_EQ(faults.size(), 1U) << keys << ::testing::PrintToString(faults);
  EXPECT_EQ(
      faults[0].rfind("node.yaml:" + std::to_string(kFirstLine) + ": programs.1." + key + ": ", 0),
      0U)
      << keys << faults[0];
  EXPECT_THAT(faults[0], ::testing::HasSubstr(text)) << keys;
}

inline ProgramSpec Good(const std::string& keys) {
  Checked checked = Check(Program(keys));
  EXPECT_TRUE(checked.status.ok()) << keys << checked.status;
  EXPECT_EQ(checked.specs.size(), 2U);
  return checked.specs.size() == 2 ? checked.specs[kProgram] : ProgramSpec();
}

}  // namespace procctl::node
