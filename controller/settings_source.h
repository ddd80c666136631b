// A file of configuration as the groups of settings read it: what it says, where, and what was
// found wrong with it. A group goes on after a fault: a file is mended in one go.
#pragma once

#include <string>
#include <string_view>

#include "procctl/v1/config.pb.h"
#include "proto/support/config_faults.h"

namespace procctl::controller {

struct SettingsSource {
  v1::ControllerConfig config;
  ConfigLines lines;
  ConfigFaults faults;

  explicit SettingsSource(std::string_view file) : faults(file) {}

  // Also of a number that is 0, which proto3 itself cannot tell from an absent one.
  bool Gives(std::string_view key) const { return lines.find(key) != lines.end(); }
  void Refuse(std::string_view key, std::string_view why) { faults.AddKey(lines, key, why); }
};

}  // namespace procctl::controller
