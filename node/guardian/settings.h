// What a guardian runs with: the configuration file with every default filled in and every bound
// checked.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "node/core/brake.h"
#include "node/core/may_signal.h"
#include "node/core/mono_time.h"
#include "node/core/program_spec.h"
#include "node/core/registration.h"
#include "node/core/slot_rules.h"
#include "node/os/spawn.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/yaml_config.h"

namespace procctl::node {

struct ClassicSettings {
  key_t key = 0;
  int32_t rows = 0;
  gid_t group = 0;
  std::vector<uid_t> users;  // empty: any
};

struct ControllerSettings {
  std::string address;
  std::string server_name;
  std::string ca;  // paths
  std::string cert;
  std::string key;
};

struct Settings {
  // The file, its text, and what was read from it: what a reload compares.
  std::string file;
  std::string text;
  v1::NodeConfig config;
  std::string node;
  std::string runtime_dir;
  std::string state_dir;
  bool enforce = true;
  Nanos scan_interval{};
  Nanos grace{};
  RegistrationLimits limits;
  BrakePolicy brakes;
  SlotRuleBook rules;
  int near_miss_percent = 0;
  // Absent: no canary.
  std::optional<Nanos> canary_every;
  std::vector<ProgramSpec> programs;
  // Where procctl-logger is.
  std::string logger_path;
  // Where that finds the system's journal; empty: at its standard place.
  std::string journal_socket;
  mode_t socket_mode = 0;
  std::set<std::string> protected_names;
  std::optional<ClassicSettings> classic;
  std::optional<ControllerSettings> controller;
  std::string uplink_path;
  // Absent: the uplink runs as the guardian's own user.
  std::optional<SpawnUser> uplink_user;
  int64_t spool_events = 0;
  int64_t spool_bytes = 0;
  std::string log_format;
  std::string log_level;
};

// Reads and checks FILE. INVALID_ARGUMENT: all that is wrong with it (ConfigFaults::status);
// others: it cannot be read.
absl::StatusOr<Settings> ReadSettings(const std::string& file);

// The same of a text that was read from FILE (ReadConfigText).
absl::StatusOr<Settings> ParseSettings(const std::string& file, const std::string& text);

// The checks alone, of a file that was parsed already (ParseYamlConfig); what that found is in
// `faults` and what is found here is added. Still asks this host: the files and users that `config`
// names must exist.
absl::StatusOr<Settings> CheckSettings(const v1::NodeConfig& config, const ConfigLines& lines,
                                       ConfigFaults* faults);

}  // namespace procctl::node
