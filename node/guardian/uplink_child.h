// Starts the uplink and starts it again whenever it ends. What it does or fails to do never reaches
// the enforcement.
#pragma once

#include <cstdint>
#include <string>

#include "node/guardian/event_log.h"
#include "node/guardian/kept_child.h"
#include "node/guardian/settings.h"
#include "node/guardian/uplink_link.h"
#include "node/os/poller.h"

namespace procctl::node {

class UplinkChild {
 public:
  // All of it outlives the child.
  UplinkChild(const Settings* settings, EventLog* log, UplinkLink* link, Poller* poller);

  // Starts it if none runs and its turn has come. Call now and then.
  void Tend(MonoTime now) { child_.Tend(now); }

  // Closes the link, which tells the uplink to end in good order.
  void LetGo();
  // 0: none runs.
  int32_t pid() const { return child_.pid(); }

 private:
  SpawnRequest Request() const;
  void OnStarted(UniqueFd link);
  v1::LinkHello Hello();

  const Settings* settings_;
  EventLog* log_;
  UplinkLink* link_;
  bool started_before_ = false;
  // Last readable contents: a certificate folder that is being replaced must not cost the
  // connection.
  std::string ca_, cert_, key_;
  KeptChild child_;
};

}  // namespace procctl::node
