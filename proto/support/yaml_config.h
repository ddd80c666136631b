// YAML into a protobuf message: the message's descriptor is the schema, so a field added to the
// proto is a key added to the file. Refuses what it does not understand and says where.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "proto/support/config_faults.h"

namespace procctl {

// Fills `config` from the YAML in `text`. Goes on after an unknown key (with the nearest known
// one), a key given twice, a value of the wrong type or text that cannot be printed: these go to
// `faults`, and what they are about stays unset. INVALID_ARGUMENT, "FILE:LINE: fact; hint", only
// where it is no YAML document at all. `file` is only for messages. Never throws.
absl::Status ParseYamlConfig(std::string_view file, std::string_view text,
                             google::protobuf::Message* config, ConfigLines* lines,
                             ConfigFaults* faults);

// What is in a file of configuration. NOT_FOUND or PERMISSION_DENIED where it cannot be read. Files
// over 1 MiB are refused.
absl::StatusOr<std::string> ReadConfigText(const std::string& file);

// Both in one.
absl::Status ReadYamlConfig(const std::string& file, google::protobuf::Message* config,
                            ConfigLines* lines, ConfigFaults* faults);

}  // namespace procctl
