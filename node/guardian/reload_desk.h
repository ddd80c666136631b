// Takes up a changed configuration file: on SIGHUP, by order, or because the file changed
// (watch_file). What it says of programs and watch_file holds at once; the rest from the guardian's
// next start on. A file with a fault changes nothing.
//
// Thread: the loop's. The file is read elsewhere: a disk that hangs holds up reloads, not the
// guard.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/core/kill.h"
#include "node/core/program_spec.h"
#include "node/guardian/config_watch.h"
#include "node/guardian/detached_work.h"
#include "node/guardian/event_log.h"
#include "node/guardian/settings.h"
#include "node/os/poller.h"

namespace procctl::node {

class ReloadDesk {
 public:
  struct World {
    EventLog* log = nullptr;
    Poller* poller = nullptr;
    // Programs may be started: what the next guardian must know of them is kept.
    bool keeping = false;
    std::function<void(const std::vector<ProgramSpec>&)> programs;
  };

  // `in_force` is the guardian's; its `config` is moved on with each reload.
  ReloadDesk(Settings* in_force, World world);

  absl::Status Open();
  // Ends in exactly one event. `by` is empty for a SIGHUP.
  void Reload(const OrderRef& by);

 private:
  // What a thread has found in the file.
  struct Found {
    // nullopt: it could not be read.
    std::optional<std::string> text;
    absl::StatusOr<Settings> settings;
  };
  static Found Read(const std::string& file);

  void Check();
  void OnChecked(const FileWatch::Added& added, const Found& found);
  void SetWatching(bool watching);
  void Apply(const Found& found, const OrderRef& by);
  void End(const OrderRef& by, v1::EventKind kind, std::string message);

  Settings* in_force_;
  World world_;
  DetachedWork reading_;
  std::optional<ConfigWatch> watch_;
  // The file is being looked at because it changed; and it has changed again since.
  bool checking_ = false;
  bool check_again_ = false;
  // What was in the file when it was read last, whether it was good or not.
  std::optional<std::string> seen_;
};

}  // namespace procctl::node
