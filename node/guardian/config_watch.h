// Notices that the configuration file has come to rest after a change.
//
// Thread: the loop's, which never waits for the disk here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "node/os/file_watch.h"
#include "node/os/poller.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

class ConfigWatch {
 public:
  // `settled`: nothing has changed for kSettle, after something had. Called on the loop.
  ConfigWatch(Poller* poller, std::function<void()> settled);
  ~ConfigWatch();
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;

  static constexpr std::chrono::seconds kSettle{1};
  // A file or folder that cannot be watched is tried again after this.
  static constexpr std::chrono::seconds kTryAgain{10};

  // Nothing is noticed before the first Add and Use of watch().
  absl::Status Open(const std::string& file);

  // For the thread that reads the file: it adds the watch before it reads, so that no change falls
  // between. Shared, because a disk that hangs may hold that thread for longer than this lives.
  std::shared_ptr<const FileWatch> watch() const { return watch_; }
  // On the loop, when it has.
  void Use(const FileWatch::Added& added);
  // Calls `settled` after this, unless something changes before.
  void Rearm(std::chrono::seconds after);

 private:
  Poller* poller_;
  std::function<void()> settled_;
  std::shared_ptr<FileWatch> watch_;
  UniqueFd timer_;
  Poller::Token on_event_ = 0;
  Poller::Token on_timer_ = 0;
};

}  // namespace procctl::node
