// One line as an entry of the system's journal, in journald's native protocol.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace procctl::logger {

// Levels of syslog.
enum class JournalPriority { kWarning = 4, kInfo = 6 };

struct JournalEntry {
  // Any bytes.
  std::string_view message;
  JournalPriority priority = JournalPriority::kInfo;
  std::string_view program;
  // "stdout" or "stderr"; empty: of neither.
  std::string_view stream;
};

// MESSAGE, PRIORITY, SYSLOG_IDENTIFIER and PROCCTL_PROGRAM (both the program), PROCCTL_STREAM.
std::string Encode(const JournalEntry& entry);

}  // namespace procctl::logger
