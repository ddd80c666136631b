#include "node/notify/message.h"

#include <algorithm>
#include <charconv>

namespace procctl::notify {
namespace {

template <typename Number>
bool ReadNumber(std::string_view text, Number least, Number* out) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size() || text.empty()) return false;
  if (error != std::errc() || number < least) return false;
  *out = number;
  return true;
}

// Microseconds in decimal; UINT64_MAX is the protocol's "for ever".
bool ReadTime(std::string_view text, std::optional<std::chrono::microseconds>* out) {
  uint64_t number = 0;
  if (!ReadNumber<uint64_t>(text, 1, &number)) return false;
  const auto longest = static_cast<uint64_t>(std::chrono::microseconds(kLongest).count());
  *out = std::chrono::microseconds(static_cast<int64_t>(std::min(number, longest)));
  return true;
}

bool ReadNumber(std::string_view text, int32_t least, std::optional<int32_t>* out) {
  int32_t number = 0;
  if (!ReadNumber<int32_t>(text, least, &number)) return false;
  *out = number;
  return true;
}

// "1" or nothing.
bool ReadFlag(std::string_view text, bool* out) {
  if (text != "1") return false;
  *out = true;
  return true;
}

bool ReadWatchdog(std::string_view text, Message* out) {
  if (text == "trigger") {
    out->trigger = true;
    return true;
  }
  return ReadFlag(text, &out->watchdog);
}

void ReadLine(std::string_view line, Message* out) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    ++out->bad;
    return;
  }
  const std::string_view name = line.substr(0, equals);
  const std::string_view value = line.substr(equals + 1);
  bool good = true;
  if (name == "READY") {
    good = ReadFlag(value, &out->ready);
  } else if (name == "RELOADING") {
    good = ReadFlag(value, &out->reloading);
  } else if (name == "STOPPING") {
    good = ReadFlag(value, &out->stopping);
  } else if (name == "STATUS") {
    out->status = std::string(value);
  } else if (name == "WATCHDOG") {
    good = ReadWatchdog(value, out);
  } else if (name == "WATCHDOG_USEC") {
    good = ReadTime(value, &out->watchdog_limit);
  } else if (name == "EXTEND_TIMEOUT_USEC") {
    good = ReadTime(value, &out->extend);
  } else if (name == "MAINPID") {
    good = ReadNumber(value, 2, &out->main_pid);
  } else if (name == "ERRNO") {
    good = ReadNumber(value, 0, &out->error_number);
  }
  if (!good) ++out->bad;
}

}  // namespace

std::optional<Message> Parse(std::string_view datagram) {
  if (datagram.empty() || datagram.size() > kMostBytes) return std::nullopt;
  if (datagram.find('\0') != std::string_view::npos) return std::nullopt;
  Message message;
  while (!datagram.empty()) {
    const std::string_view line = datagram.substr(0, datagram.find('\n'));
    if (!line.empty()) ReadLine(line, &message);
    datagram.remove_prefix(std::min(line.size() + 1, datagram.size()));
  }
  return message;
}

}  // namespace procctl::notify
