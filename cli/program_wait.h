// Whether a program has come to stand where an order wanted it. Pure.
#pragma once

#include <string>

#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/fleet_service.pb.h"
#include "procctl/v1/order.pb.h"
#include "procctl/v1/program.pb.h"

namespace procctl::cli {

enum class Standing { kUnderWay, kReached, kFailed };

// `before` is the row as it was when the order was sent, `now` a later look; a look may still show
// the old state, for rows follow orders. A failure is therefore told from what was there before by
// a new life, or a new end.
Standing Judge(v1::ProgramAction action, const v1::Program& before, const v1::Program& now);

// How it stands, in a few words: "running, pid 4711", "backoff, started in 4s; exit 3".
std::string StandingText(const v1::Program& program, const google::protobuf::Timestamp& as_of);

}  // namespace procctl::cli
