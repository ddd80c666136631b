// JSON from the protocol's messages: its shape is that of the protos, and it is valid whatever a
// message holds.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"

namespace procctl::cli {

inline constexpr char kApiVersion[] = "procctl/v1";

// With quotes. Line breaks stay line breaks (as \n); other bytes that act on a terminal or are not
// UTF-8 come out as \xNN text.
std::string JsonString(std::string_view text);

// One object. `id`, unless empty, becomes its first member "id". Durations and timestamps outside
// protobuf's range are moved to its ends, because it would refuse the whole message for one of
// them.
std::string JsonObject(const google::protobuf::Message& message, std::string_view id = "");

// With quotes: "2026-11-22T12:03:04.123Z".
std::string JsonTime(const google::protobuf::Timestamp& time);

}  // namespace procctl::cli
