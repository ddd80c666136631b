// The lines of one program, each an entry of the system's journal.
#pragma once

#include <memory>

#include "node/logger/journal_socket.h"
#include "node/logger/outlet.h"
#include "node/logger/sink.h"

namespace procctl::logger {

class JournalSink : public Sink {
 public:
  // Entries before it is others' turn: each is a call to the kernel of its own.
  static constexpr int kTurn = 256;

  // `socket` is that of all programs, and must outlive this.
  JournalSink(std::shared_ptr<Outlet> outlet, JournalSocket* socket)
      : outlet_(std::move(outlet)), socket_(socket) {}

  absl::Status Write(Piece* piece, node::MonoTime now) override;

 private:
  const std::shared_ptr<Outlet> outlet_;
  JournalSocket* const socket_;
};

}  // namespace procctl::logger
