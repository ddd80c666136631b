// Names of the system calls of the machine this was built for, as the compiler's own
// <sys/syscall.h> knows them.
#pragma once

#include <cstdint>
#include <string>

namespace procctl::node {

// "futex"; the number as text where the headers of the build knew no name.
std::string SyscallName(int64_t number);

}  // namespace procctl::node
