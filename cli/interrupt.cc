#include "cli/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "proto/support/logging.h"

namespace procctl::cli {
namespace {

// For the handler, which can be given nothing.
std::atomic<int> signal_pipe{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int) {
  const int saved = errno;
  const char byte = 'i';
  (void)write(signal_pipe.load(), &byte, 1);  // a handler has nowhere to report to
  errno = saved;
}

}  // namespace

std::stop_token Interrupt::Arm() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fatal("no pipe for Ctrl-C");
  read_end_.Reset(ends[0]);
  write_end_.Reset(ends[1]);
  signal_pipe.store(ends[1]);
  thread_ = std::thread([this] {
    char byte = 0;
    ssize_t n = 0;
    do {
      n = read(read_end_.get(), &byte, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1 && byte == 'i') source_.request_stop();
  });
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  return source_.get_token();
}

Interrupt::~Interrupt() {
  if (!thread_.joinable()) return;
  std::signal(SIGINT, SIG_DFL);
  const char byte = 'e';
  (void)write(write_end_.get(), &byte, 1);  // a pipe of ours that is nearly empty takes it
  thread_.join();
  signal_pipe.store(-1);
}

bool Pause(std::chrono::nanoseconds duration, std::stop_token stop) {
  absl::Notification stopped;
  const std::stop_callback on_stop(std::move(stop), [&] { stopped.Notify(); });
  return !stopped.WaitForNotificationWithTimeout(absl::FromChrono(duration));
}

}  // namespace procctl::cli
