#include "node/logger/attach_check.h"

#include <string>
#include <string_view>

#include "spdlog/fmt/fmt.h"

namespace procctl::logger {
namespace {

// Of a path in Linux, its end included.
constexpr size_t kMostPath = 4096;
constexpr size_t kMostLabel = 256;

bool IsPath(std::string_view path) {
  return !path.empty() && path.front() == '/' && path.back() != '/' && path.size() < kMostPath &&
         path.find('\0') == std::string_view::npos;
}

}  // namespace

absl::Status CheckAttach(const v1::LoggerAttach& attach) {
  if (attach.label().empty() || attach.label().size() > kMostLabel) {
    return absl::InvalidArgumentError(
        fmt::format("a label of {} bytes; 1 to {} are allowed", attach.label().size(), kMostLabel));
  }
  if (!IsPath(attach.stdout_fifo())) return absl::InvalidArgumentError("stdout_fifo is no path");
  if (!attach.stderr_fifo().empty() && !IsPath(attach.stderr_fifo()))
    return absl::InvalidArgumentError("stderr_fifo is no path");
  if (attach.stderr_fifo() == attach.stdout_fifo())
    return absl::InvalidArgumentError("one FIFO for both streams; stderr_fifo is empty for that");
  if (!attach.stdout_path().empty() && !IsPath(attach.stdout_path()))
    return absl::InvalidArgumentError("stdout_path is no path");
  if (!attach.stderr_path().empty() && !IsPath(attach.stderr_path()))
    return absl::InvalidArgumentError("stderr_path is no path");
  if (attach.stdout_journal() && !attach.stdout_path().empty())
    return absl::InvalidArgumentError("stdout goes to the journal and to stdout_path");
  if (attach.stderr_journal() && !attach.stderr_path().empty())
    return absl::InvalidArgumentError("stderr goes to the journal and to stderr_path");
  if (attach.max_size() < 0)
    return absl::InvalidArgumentError(fmt::format("max_size {}", attach.max_size()));
  if (attach.keep() < 0 || attach.keep() > kMostKept)
    return absl::InvalidArgumentError(
        fmt::format("keep {}; 0 to {} are allowed", attach.keep(), kMostKept));
  return absl::OkStatus();
}

}  // namespace procctl::logger
