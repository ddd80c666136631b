// Starts the uplink and starts it again whenever it ends. What it does or fails to do never reaches
// the enforcement.
#pragma once

#include <functional>
#include <optional>

#include "node/guardian/event_log.h"
#include "node/guardian/settings.h"
#include "node/guardian/uplink_link.h"
#include "node/os/poller.h"
#include "node/os/process_ref.h"

namespace procctl::node {

class UplinkChild {
 public:
  UplinkChild(const Settings* settings, EventLog* log, UplinkLink* link, Poller* poller)
      : settings_(settings), log_(log), link_(link), poller_(poller) {}

  // Starts it if none runs and its turn has come. Call now and then.
  void Tend(MonoTime now);

  // Closes the link, which tells the uplink to end in good order.
  void LetGo();
  // 0: none runs.
  int32_t pid() const { return process_ ? process_->identity().pid : 0; }

 private:
  void OnExit();
  v1::LinkHello Hello();
  void Postpone(MonoTime now);

  const Settings* settings_;
  EventLog* log_;
  UplinkLink* link_;
  Poller* poller_;
  std::optional<ProcessRef> process_;
  Poller::Token exit_watch_ = 0;
  bool started_before_ = false;
  MonoTime started_at_;
  MonoTime next_start_;
  Nanos delay_{0};
  // Last readable contents: a certificate folder that is being replaced must not cost the
  // connection.
  std::string ca_, cert_, key_;
};

}  // namespace procctl::node
