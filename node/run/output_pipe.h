// The program's stdout on its way through us to our own.
#pragma once

#include <cstddef>

#include "proto/support/unique_fd.h"

namespace procctl::run {

// Holds at most one chunk: a reader that is slow slows the program down, as it would without us.
// Never blocks; the caller polls `poll_fd()` for `poll_events()` and then calls Pump().
class OutputPipe {
 public:
  // False with errno set if there is no descriptor left.
  bool Open();
  // For the program; close it here once the program has it.
  int write_end() const { return write_end_.get(); }
  void CloseWriteEnd() { write_end_.Reset(); }

  // -1: nothing is to be waited for.
  int poll_fd() const;
  short poll_events() const;

  // Takes a chunk or passes one on. True if the program had written something.
  bool Pump();
  // Like Pump, once the program has ended: also ends when the pipe is empty, although a process
  // that it left behind may hold the other end.
  void PumpRest();

 private:
  bool Holds() const { return begin_ < end_; }
  void PassOn();

  UniqueFd read_end_;
  UniqueFd write_end_;
  // PIPE_BUF: what poll says a pipe can take without blocking.
  char chunk_[4096];
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace procctl::run
