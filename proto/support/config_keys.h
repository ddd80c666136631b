// The keys of a section of a configuration file, and what to say where one is not among them.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/descriptor.h"

namespace procctl {

// The key that was probably meant; empty where none is near.
std::string NearestKey(const google::protobuf::Descriptor& section, std::string_view wanted);

// "did you mean "PREFIXkey"?", or all keys of the section where none is near.
std::string KeyHint(const google::protobuf::Descriptor& section, std::string_view prefix,
                    std::string_view wanted);

}  // namespace procctl
