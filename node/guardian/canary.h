// The canary: a child of the guardian's own that registers, hangs and ignores SIGTERM, on schedule.
// That it is found, asked, killed and recorded in time proves the whole chain on this very host.
#pragma once

#include <optional>
#include <string>

#include "node/core/mono_time.h"
#include "node/core/table.h"
#include "node/guardian/event_log.h"
#include "node/os/poller.h"
#include "node/os/process_ref.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::node {

class Canary {
 public:
  // `socket`: where processes register. `timeout`: what the canary asks for, the node's least.
  Canary(Nanos every, std::string socket, Nanos timeout, EventLog* log, Poller* poller)
      : every_(every), socket_(std::move(socket)), timeout_(timeout), log_(log), poller_(poller) {}

  // Starts it when its turn has come, and raises the alarm when it outlives its time. Each scan.
  void Tend(MonoTime now);

  // A process registered a slot: is it the canary?
  void OnRegistered(Table* table, const Slot& slot, MonoTime now);

  v1::Canary Detail() const;

  // 0: none runs.
  int32_t pid() const { return child_ ? child_->identity().pid : 0; }

 private:
  void Start(MonoTime now);
  void OnExit();
  void Fail(const std::string& why);

  Nanos every_;
  std::string socket_;
  Nanos timeout_;
  EventLog* log_;
  Poller* poller_;
  // The first turn comes one period after the start: a guardian that is restarted often is not busy
  // with canaries.
  std::optional<MonoTime> next_;
  std::optional<ProcessRef> child_;
  Poller::Token exit_watch_ = 0;
  MonoTime deadline_;
  std::optional<MonoTime> registered_;
  bool failed_ = false;
  int64_t turns_ = 0;
  int64_t failures_ = 0;
  std::optional<Nanos> latency_;
  std::optional<std::chrono::system_clock::time_point> last_ok_;
};

// The child's side: `procctl-node --canary SOCKET TIMEOUT_MS`. Never returns 0: it is meant to be
// killed.
int RunCanary(const char* socket, const char* timeout_ms);

}  // namespace procctl::node
