// procctl-cli: the fleet, for people and scripts.
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "cli/interrupt.h"
#include "cli/run.h"

namespace {

using procctl::cli::Screen;

std::string Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

bool AskOnTerminal(const std::string& question) {
  std::cerr << question << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

// The reader of a pipe went away: seen without writing to it.
bool IsReaderGone() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

Screen::Streams TerminalStreams() {
  const bool shown = isatty(STDOUT_FILENO) != 0;
  Screen::Streams streams{&std::cout, &std::cerr, /*colour=*/false, nullptr};
  streams.colour = shown && Variable("NO_COLOR").empty() && Variable("TERM") != "dumb";
  streams.terminal = shown;
  streams.closed = IsReaderGone;
  // Somebody who cannot see the targets cannot agree to them.
  if (shown && isatty(STDIN_FILENO) != 0) streams.ask = AskOnTerminal;
  return streams;
}

}  // namespace

int main(int argc, char** argv) {
  // Debian's Abseil would abort on a lock order it only suspects.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Their lines are for developers; what a person needs to know we say ourselves.
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
  procctl::cli::Interrupt interrupt;
  return static_cast<int>(procctl::cli::Run(std::vector<std::string>(argv + 1, argv + argc),
                                            Variable, Screen(TerminalStreams()),
                                            [&] { return interrupt.Arm(); }));
}
