// What a configuration file may hold, in the words of its schema: the comments of config.proto.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace procctl {

// The text of `explain FIELD` for a message of config.proto, ends with a newline. `field` is as in
// refusals: "brakes.common_cause.least"; in the items of a list "rules.0.name", or "rules.name";
// empty: the keys of the file. A key in a section is listed with the first sentence about it.
// NOT_FOUND: there is no such key; names the nearest one.
absl::StatusOr<std::string> ExplainConfig(const google::protobuf::Descriptor& schema,
                                          std::string_view field);

}  // namespace procctl
