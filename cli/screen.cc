#include "cli/screen.h"

#include "cli/json.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// Printable(), but keeps the line breaks that are ours.
std::string PrintableLines(std::string_view text) {
  std::string out;
  for (;;) {
    const size_t end = text.find('\n');
    out += Printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace

void Screen::Print(std::string_view text) const { *streams_.out << text << std::flush; }

ExitCode Screen::Fail(ExitCode code, const absl::Status& status,
                      std::string_view request_id) const {
  const std::string message(status.message());
  if (json()) {
    *streams_.err << fmt::format(
        R"({{"error":{{"code":{},"message":{},"exitCode":{}{}}}}})",
        JsonString(absl::StatusCodeToString(status.code())), JsonString(message),
        static_cast<int>(code),
        request_id.empty() ? "" : ",\"requestId\":" + JsonString(request_id));
  } else {
    *streams_.err << "procctl-cli: " << PrintableLines(message);
  }
  *streams_.err << std::endl;
  return code;
}

void Screen::Note(std::string_view text) const {
  if (!json()) *streams_.err << PrintableLines(text) << std::endl;
}

}  // namespace procctl::cli
