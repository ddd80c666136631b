// Times for people, in the time zone of whoever reads them; and sums that cannot overflow, because
// the numbers come from other hosts.
#pragma once

#include <chrono>
#include <string>

#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace procctl::cli {

// "12:03:04"
std::string ClockText(const google::protobuf::Timestamp& time);

// "2026-11-22T12:03:04"
std::string DateText(const google::protobuf::Timestamp& time);

std::chrono::nanoseconds SafeSum(const google::protobuf::Duration& a,
                                 const google::protobuf::Duration& b);

// From `start` to `end`; 0 if the clocks disagree so far that it would be negative.
std::chrono::nanoseconds Between(const google::protobuf::Timestamp& start,
                                 const google::protobuf::Timestamp& end);

}  // namespace procctl::cli
