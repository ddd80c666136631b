#include "node/guardian/check_command.h"

#include "node/core/reload_plan.h"
#include "node/guardian/program_notes.h"
#include "node/guardian/settings.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/yaml_config.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {

absl::StatusOr<std::string> CheckFile(const std::string& file, const std::string& old,
                                      absl::Time now) {
  v1::NodeConfig config;
  ConfigLines lines;
  ConfigFaults faults(file);
  if (absl::Status s = ReadYamlConfig(file, &config, &lines, &faults); !s.ok()) return s;
  const auto settings = CheckSettings(config, lines, &faults);
  if (!settings.ok()) return settings.status();
  const std::string out =
      fmt::format("{}: good\n{}", file, ProgramNotes(file, lines, settings->programs, now));
  if (old.empty()) return out;
  v1::NodeConfig before;
  ConfigLines old_lines;
  ConfigFaults old_faults(old);
  if (absl::Status s = ReadYamlConfig(old, &before, &old_lines, &old_faults); !s.ok()) return s;
  if (!old_faults.empty()) return old_faults.status();
  return out + Describe(PlanReload(before, config));
}

}  // namespace procctl::node
