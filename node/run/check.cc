#include "node/run/check.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "node/run/duration.h"

namespace procctl::run {
namespace {

constexpr size_t kMostLine = 100;

}  // namespace

Check::Check(const std::string& command, pid_t program, Clock::time_point now,
             std::chrono::milliseconds limit)
    : deadline_(now + limit), limit_(limit) {
  int ends[2];
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.ok() || pipe2(ends, O_CLOEXEC) != 0) {
    start_error_ = errno;
    return;
  }
  output_.Reset(ends[0]);
  const UniqueFd output_write(ends[1]);
  (void)fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  ChildRequest request;
  request.arguments = {"/bin/sh", "-c", command};
  request.variables = {"PROCCTL_PID=" + std::to_string(program)};
  request.stdin_fd = null.get();
  request.stdout_fd = output_write.get();
  request.stderr_fd = output_write.get();
  request.own_group = true;
  child_ = OwnChild::Start(request, &start_error_);
}

void Check::TakeOutput() {
  char bytes[4096];
  // Not for ever: a check may print faster than this reads.
  for (int chunks = 0; chunks < 16; ++chunks) {
    const ssize_t size = read(output_.get(), bytes, sizeof(bytes));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return output_.Reset();
    // The rest is read too, and dropped: a full pipe would hang the check.
    std::string_view rest(bytes, static_cast<size_t>(size));
    if (line_complete_) continue;
    const size_t end = rest.find('\n');
    first_line_ += rest.substr(0, end);
    line_complete_ = end != std::string_view::npos || first_line_.size() >= kMostLine;
    if (first_line_.size() > kMostLine) first_line_.resize(kMostLine);
  }
}

std::string Check::Expire() {
  expired_ = true;
  deadline_ = Clock::time_point::max();
  child_.KillGroup();
  return "check took longer than " + FormatDuration(limit_);
}

CheckResult Check::Finish() {
  if (!child_.started()) {
    return {false, std::string("check cannot be started: ") + std::strerror(start_error_)};
  }
  // Before it is reaped, while the group's number is still its own. What it left running would pile
  // up from check to check.
  child_.KillGroup();
  const int status = child_.Reap();
  if (output_.ok()) TakeOutput();
  output_.Reset();
  if (expired_) return {false, "check took longer than " + FormatDuration(limit_)};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {true, ""};
  std::string note = WIFEXITED(status) ? "check exited " + std::to_string(WEXITSTATUS(status))
                                       : "check died of signal " + std::to_string(WTERMSIG(status));
  if (!first_line_.empty()) note += ": " + first_line_;
  return {false, std::move(note)};
}

}  // namespace procctl::run
