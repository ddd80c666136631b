#include "node/run/output_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace procctl::run {

bool OutputPipe::Open() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  read_end_.Reset(ends[0]);
  write_end_.Reset(ends[1]);
  // Ours only: the program gets a stdout that blocks, as it expects.
  return fcntl(read_end_.get(), F_SETFL, O_NONBLOCK) == 0;
}

int OutputPipe::poll_fd() const { return Holds() ? STDOUT_FILENO : read_end_.get(); }

short OutputPipe::poll_events() const { return Holds() ? POLLOUT : POLLIN; }

bool OutputPipe::Pump() {
  if (Holds()) {
    PassOn();
    return false;
  }
  if (!read_end_.ok()) return false;
  const ssize_t size = read(read_end_.get(), chunk_, sizeof(chunk_));
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  if (size <= 0) {
    read_end_.Reset();
    return false;
  }
  begin_ = 0;
  end_ = static_cast<size_t>(size);
  return true;
}

void OutputPipe::PumpRest() {
  const bool held = Holds();
  if (!Pump() && !held) read_end_.Reset();
}

void OutputPipe::PassOn() {
  const ssize_t size = write(STDOUT_FILENO, chunk_ + begin_, end_ - begin_);
  if (size >= 0) {
    begin_ += static_cast<size_t>(size);
  } else if (errno != EINTR && errno != EAGAIN) {
    // Nobody reads any more. The program learns it as it would without us: SIGPIPE when it writes.
    begin_ = end_;
    read_end_.Reset();
  }
}

}  // namespace procctl::run
