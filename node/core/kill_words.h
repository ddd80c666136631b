// The sentences of a kill: facts, object, numbers.
#pragma once

#include <string>

#include "node/core/mono_time.h"
#include "procctl/v1/event.pb.h"

namespace procctl::node {

// "encoder pid 4711"
std::string Who(const v1::Event& subject);
// To a tenth of a millisecond below a second, to the millisecond above: verdicts are what people
// measure.
std::string Exact(Nanos duration);
// "SIGTERM"; "signal 40" where it has no name.
std::string SignalName(int signal);
// Why it is to be stopped, as part of a sentence: "no beat for 5.100s, limit 5s".
std::string Why(const v1::Event& subject);

}  // namespace procctl::node
