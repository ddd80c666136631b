#include "proto/support/logging.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "proto/support/escape.h"
#include "spdlog/async.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace procctl {
namespace {

// spdlog's patterns do not escape: a message with a quote or a newline would break a JSON line, or
// forge one.
class EscapedMessage : public spdlog::custom_flag_formatter {
 public:
  explicit EscapedMessage(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string safe = Printable({message.payload.data(), message.payload.size()});
    for (const char c : safe) {
      if (json_ && (c == '"' || c == '\\')) out.push_back('\\');
      out.push_back(c);
    }
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<EscapedMessage>(json_);
  }

 private:
  bool json_;
};

// The program's signals belong to its own threads.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

absl::Status CheckLogFormat(std::string_view format) {
  if (format.empty() || format == "text" || format == "json") return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("\"{}\" is unknown; use text or json", format));
}

absl::Status CheckLogLevel(std::string_view level) {
  for (const std::string_view known : {"", "debug", "info", "warning", "error"}) {
    if (level == known) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is unknown; use debug, info, warning or error", level));
}

absl::Status StartLogging(std::string_view program, std::string_view format, std::string_view level,
                          size_t waiting_lines) {
  if (const absl::Status s = CheckLogFormat(format); !s.ok()) {
    return absl::InvalidArgumentError(fmt::format("log format {}", std::string(s.message())));
  }
  if (const absl::Status s = CheckLogLevel(level); !s.ok()) {
    return absl::InvalidArgumentError(fmt::format("log level {}", std::string(s.message())));
  }
  const bool json = format.empty() ? isatty(STDERR_FILENO) == 0 : format == "json";
  spdlog::level::level_enum threshold = spdlog::level::info;
  if (level == "debug") {
    threshold = spdlog::level::debug;
  } else if (level == "warning") {
    threshold = spdlog::level::warn;
  } else if (level == "error") {
    threshold = spdlog::level::err;
  }
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<EscapedMessage>('v', json);
  formatter->set_pattern(
      json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","program":"%n","pid":%P,"msg":"%v"})"
           : "%Y-%m-%dT%H:%M:%S.%eZ %l %n[%P] %v");
  spdlog::init_thread_pool(waiting_lines, 1, BlockSignals);
  auto logger = std::make_shared<spdlog::async_logger>(
      std::string(program), std::make_shared<spdlog::sinks::stderr_sink_mt>(),
      spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  logger->set_formatter(std::move(formatter));
  logger->set_level(threshold);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  // What waits is written when main returns or exit is called.
  (void)std::atexit(spdlog::shutdown);
  return absl::OkStatus();
}

void Fatal(std::string_view what) {
  spdlog::critical("broken invariant: {}", what);
  spdlog::shutdown();
  std::abort();
}

}  // namespace procctl
