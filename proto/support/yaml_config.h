// YAML into a protobuf message: the message's descriptor is the schema, so a field added to the
// proto is a key added to the file. Refuses what it does not understand and says where.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace procctl {

// Where each key stood ("heartbeat.max_slots" -> 12), for refusals that come after parsing.
// Repeated fields are "protected.0", "protected.1" ...
using ConfigLines = std::map<std::string, int, std::less<>>;

// Fills `config` from the YAML in `text`. INVALID_ARGUMENT: "FILE:LINE: fact; hint" for a syntax
// error, an unknown key (with the nearest known one), a key given twice, a value of the wrong type
// or text that cannot be printed. `config` is undefined then. `file` is only for messages. Never
// throws.
absl::Status ParseYamlConfig(std::string_view file, std::string_view text,
                             google::protobuf::Message* config, ConfigLines* lines);

// The same from a file; NOT_FOUND or PERMISSION_DENIED where it cannot be read. Files over 1 MiB
// are refused.
absl::Status ReadYamlConfig(const std::string& file, google::protobuf::Message* config,
                            ConfigLines* lines);

// "FILE:LINE: fact; hint" for a value that parsed but cannot be used. `key` as in ConfigLines;
// without a line if the key is absent.
absl::Status ConfigRefusal(std::string_view file, const ConfigLines& lines, std::string_view key,
                           std::string_view fact_and_hint);

}  // namespace procctl
