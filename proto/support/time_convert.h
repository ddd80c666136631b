// Between std::chrono and protobuf's well-known types.
#pragma once

#include <chrono>

#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace procctl {

google::protobuf::Duration ToProto(std::chrono::nanoseconds duration);
google::protobuf::Timestamp ToProto(std::chrono::system_clock::time_point time);

// Foreign values are clamped to what nanoseconds in 64 bits can hold (about 292 years), never
// overflow.
std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration);
std::chrono::system_clock::time_point FromProto(const google::protobuf::Timestamp& time);

}  // namespace procctl
