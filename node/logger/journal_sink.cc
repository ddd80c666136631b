#include "node/logger/journal_sink.h"

#include <string>
#include <string_view>

#include "node/logger/journal_entry.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::logger {

absl::Status JournalSink::Write(Piece* piece, node::MonoTime now) {
  const std::string& program = outlet_->label();
  absl::Status status;
  if (piece->lost_before > 0) {
    const std::string text = fmt::format("[procctl: {} bytes lost]", piece->lost_before);
    status = socket_->Send(Encode({text, JournalPriority::kWarning, program, ""}), now);
    if (status.ok()) piece->lost_before = 0;
  }
  const bool of_stderr = piece->source == outlet_->stderr_source();
  std::string_view rest = piece->bytes;
  for (int i = 0; i < kTurn && status.ok() && !rest.empty(); ++i) {
    // Without a newline: a part of a line that waited too long for its end.
    const size_t end = std::min(rest.find('\n'), rest.size());
    status = socket_->Send(
        Encode({rest.substr(0, end), of_stderr ? JournalPriority::kWarning : JournalPriority::kInfo,
                program, of_stderr ? "stderr" : "stdout"}),
        now);
    if (status.ok()) rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  piece->bytes.erase(0, piece->bytes.size() - rest.size());
  return status;
}

}  // namespace procctl::logger
