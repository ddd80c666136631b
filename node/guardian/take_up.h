// Takes up the table of an earlier guardian of this boot: its slots, ladders, holds and brakes go
// on.
//
// Nobody is believed who cannot be found again exactly: a process by pid and start time, a page by
// the identity of its memfd, a row of the classic table by the pid in it.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "node/core/enforcer.h"
#include "node/core/table.h"
#include "node/guardian/classic_door.h"
#include "node/guardian/event_log.h"
#include "node/guardian/state_keeper.h"
#include "node/os/beat_page.h"

namespace procctl::node {

struct TakeUpParts {
  Table* table = nullptr;
  Enforcer* enforcer = nullptr;
  EventLog* log = nullptr;
  ClassicDoor* classic = nullptr;  // may be absent
  std::function<absl::Status(Process&)> watch_exit;
  // Descriptors of pages that a service manager kept.
  std::map<PageId, UniqueFd>* stored_pages = nullptr;
};

// Records what became of everybody, and STATE_TAKEN_UP. Before the first scan.
void TakeUp(const FoundState& found, const TakeUpParts& parts);

}  // namespace procctl::node
