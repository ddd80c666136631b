// How a program ended, in words of several lengths. Pure.
#pragma once

#include <string>

#include "procctl/v1/event.pb.h"

namespace procctl::cli {

// "SIGSEGV"; "signal 40" for one without a name.
std::string SignalText(int signal);

// For a column: "exit 3", "SIGSEGV", "OOM", "hung", "operator". Never empty.
std::string LastText(const v1::Death& death);

// What the kernel said: "exit 3", "SIGSEGV, core dumped", "unknown", "not started".
std::string HowText(const v1::Death& death);

// Why it ended, for a column: "ended by itself", "killed by a signal from outside",
// "operator/alice,
// \"new release\"". `event` carries the death.
std::string CauseText(const v1::Event& event);

// What happened, as the middle of a sentence whose subject is the program: "ended by itself with
// exit code 3".
std::string EndText(const v1::Event& event);

}  // namespace procctl::cli
