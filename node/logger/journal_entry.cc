#include "node/logger/journal_entry.h"

namespace procctl::logger {
namespace {

// NAME=VALUE and a newline; or NAME, a newline, the length in 64 bits (little endian), the value
// and a newline, which is good for all bytes.
void AddField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name);
  if (value.find_first_of(std::string_view("\n\0", 2)) == std::string_view::npos) {
    out->push_back('=');
  } else {
    out->push_back('\n');
    const uint64_t size = value.size();
    for (unsigned shift = 0; shift < 64; shift += 8) {
      out->push_back(static_cast<char>((size >> shift) & 0xff));
    }
  }
  out->append(value);
  out->push_back('\n');
}

}  // namespace

std::string Encode(const JournalEntry& entry) {
  std::string out;
  out.reserve(entry.message.size() + 2 * entry.program.size() + 128);
  AddField("PRIORITY", std::to_string(static_cast<int>(entry.priority)), &out);
  AddField("SYSLOG_IDENTIFIER", entry.program, &out);
  AddField("PROCCTL_PROGRAM", entry.program, &out);
  if (!entry.stream.empty()) AddField("PROCCTL_STREAM", entry.stream, &out);
  AddField("MESSAGE", entry.message, &out);
  return out;
}

}  // namespace procctl::logger
