// The few fields of /proc/PID/stat that are needed here.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

namespace procctl::run {

struct ProcStat {
  char state = '?';
  pid_t parent = 0;
};

// Foreign bytes: the name in them may hold blanks, parentheses and newlines.
std::optional<ProcStat> ParseProcStat(std::string_view text);

// Nullopt: there is no such process, or /proc does not show it.
std::optional<ProcStat> ReadProcStat(pid_t pid);

// Every process that /proc shows. By the time of reading some have gone and others have come.
std::vector<pid_t> AllPids();

}  // namespace procctl::run
