// heartbeat.sock: where processes register themselves.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "node/core/enforcer.h"
#include "node/core/event_limiter.h"
#include "node/core/registration.h"
#include "node/core/table.h"
#include "node/guardian/event_log.h"
#include "node/os/poller.h"
#include "node/os/process_ref.h"
#include "node/os/reserve_fd.h"
#include "node/os/seqpacket.h"

namespace procctl::node {

class NativeDoor {
 public:
  // `watch_exit` is called for a process that is new in the table.
  // `handed_out` is called with a new slot and the descriptor of its page, before its process gets
  // the answer: what it does is done when the process believes that it is guarded.
  NativeDoor(Table* table, EventLog* log, Poller* poller, RegistrationLimits limits,
             std::function<absl::Status(Process&)> watch_exit,
             std::function<void(const Slot&, int page_fd)> handed_out);

  absl::Status Open(const std::string& path, mode_t mode);

  // Closes connections that sent nothing in time. Call now and then.
  void DropSilent(MonoTime now);

 private:
  struct Connection {
    UniqueFd fd;
    MonoTime since;
    Poller::Token token = 0;
  };

  void Accept();
  void Serve(int fd);
  RegistrationAnswer Register(int connection, const Packet& packet, UniqueFd* page_fd,
                              int64_t* generation);
  void Withdraw(int64_t generation);
  absl::StatusOr<ProcessRef> Identify(const Packet& packet, Peer* peer) const;
  void Refused(const RegistrationAnswer& answer, int64_t uid, int32_t pid);

  Table* table_;
  EventLog* log_;
  Poller* poller_;
  RegistrationLimits limits_;
  std::function<absl::Status(Process&)> watch_exit_;
  std::function<void(const Slot&, int page_fd)> handed_out_;
  EventLimiter refusals_;
  ReserveFd reserve_;
  UniqueFd listener_;
  std::unordered_map<int, Connection> connections_;
};

}  // namespace procctl::node
