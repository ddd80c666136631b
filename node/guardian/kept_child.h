// A child that is kept running: started, watched, and started again whenever it ends. What it does
// or fails to do never reaches the enforcement.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "node/core/mono_time.h"
#include "node/os/poller.h"
#include "node/os/process_ref.h"
#include "node/os/spawn.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// One that was killed is back well within a second; one that cannot live costs a start a second.
//
// One thread, the poller's. Never waits for the child, but for the success of its exec.
class KeptChild {
 public:
  struct Hooks {
    // What to start; asked before each start. The link is added to it.
    std::function<SpawnRequest()> request;
    // It runs, and this is our end of its link.
    std::function<void(UniqueFd link)> started;
    // It has ended, and was reaped.
    std::function<void()> ended;
  };

  // `name`: "the uplink", for the log.
  KeptChild(std::string name, Poller* poller, Hooks hooks);
  // Does not end it.
  ~KeptChild();
  KeptChild(const KeptChild&) = delete;
  KeptChild& operator=(const KeptChild&) = delete;

  // Starts it if none runs and its turn has come. Call now and then.
  void Tend(MonoTime now);
  // It is not started again, and its end is no news.
  void LetGo() { let_go_ = true; }
  bool let_go() const { return let_go_; }
  bool running() const { return process_.has_value(); }
  // 0: none runs.
  int32_t pid() const { return process_ ? process_->identity().pid : 0; }

 private:
  void Start(MonoTime now);
  void OnExit();
  void Postpone(MonoTime now);

  const std::string name_;
  Poller* const poller_;
  const Hooks hooks_;
  std::optional<ProcessRef> process_;
  // 0: its end could not be watched, and is asked for by Tend.
  Poller::Token exit_watch_ = 0;
  bool let_go_ = false;
  MonoTime started_at_;
  MonoTime next_start_;
  Nanos delay_{0};
};

}  // namespace procctl::node
