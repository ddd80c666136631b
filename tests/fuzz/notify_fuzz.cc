// sd_notify datagrams: a program may send any bytes to its socket.
#include <string_view>

#include "node/notify/message.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::notify;
  const std::string_view datagram(reinterpret_cast<const char*>(data), size);
  const auto message = Parse(datagram);
  const bool is_text =
      size > 0 && size <= kMostBytes && datagram.find('\0') == std::string_view::npos;
  PROCCTL_MUST(message.has_value() == is_text);
  if (!message) return 0;
  // What is believed was said.
  PROCCTL_MUST(!message->ready || datagram.find("READY=1") != std::string_view::npos);
  PROCCTL_MUST(!message->watchdog || datagram.find("WATCHDOG=1") != std::string_view::npos);
  PROCCTL_MUST(!message->trigger || datagram.find("WATCHDOG=trigger") != std::string_view::npos);
  PROCCTL_MUST(!message->main_pid || *message->main_pid > 1);
  PROCCTL_MUST(!message->error_number || *message->error_number >= 0);
  for (const auto& time : {message->watchdog_limit, message->extend}) {
    PROCCTL_MUST(!time || (time->count() > 0 && *time <= kLongest));
  }
  if (message->status) {
    PROCCTL_MUST(message->status->find('\n') == std::string::npos);
    PROCCTL_MUST(datagram.find(*message->status) != std::string_view::npos);
  }
  return 0;
}
