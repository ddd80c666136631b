// What the guardian tells the service manager that started it, and what it gets back from it:
// readiness, the watchdog's beat, and descriptors that outlive the guardian. Spoken by hand,
// because the privileged process links no library of the manager's.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "node/core/mono_time.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

// The protocol is sd_notify(3)'s: one datagram of NAME=VALUE lines to the socket in $NOTIFY_SOCKET,
// which is a path or, after '@', an abstract name. The manager takes only what the unit's main
// process sends (NotifyAccess=main).
//
// One thread. Nothing here waits: a message that the manager has no room for now is dropped, and
// said to be. Without a manager every message is OK and goes nowhere.
//
//   OK                  sent, or there is no manager
//   UNAVAILABLE         the manager's socket is full; a later try may succeed
//   NOT_FOUND           nobody is at the socket
//   INVALID_ARGUMENT    $NOTIFY_SOCKET is no address, or the name of a descriptor no name
//   RESOURCE_EXHAUSTED  out of descriptors or memory
class ServiceManager {
 public:
  // Takes the variables of the protocol out of this process's environment: children must neither
  // speak for us nor believe that they are watched. First thing in main: before there are threads
  // (the environment is not theirs to share) and before any descriptor is opened (the manager's
  // begin at 3).
  static ServiceManager FromEnvironment();

  // The service is up. `status`: one line for people; control characters become spaces.
  absl::Status Ready(std::string_view status);
  absl::Status Status(std::string_view status);
  absl::Status Stopping();

  // How often Watchdog() is to be called: half of what the manager allows. Nullopt: it does not
  // watch us.
  std::optional<Nanos> watchdog_interval() const { return watchdog_interval_; }
  absl::Status Watchdog();

  // The manager keeps a duplicate of `fd` until RemoveFd, and hands it to the next process of this
  // unit. It drops it by itself at a hang-up or error of the descriptor (a memfd has neither), and
  // says nothing when it keeps no more (FileDescriptorStoreMax=). Several may have one name.
  // `name`: 1 to 255 printable ASCII characters without ':'.
  absl::Status StoreFd(int fd, std::string_view name);
  absl::Status RemoveFd(std::string_view name);

  struct StoredFd {
    std::string name;
    UniqueFd fd;
  };
  // What the manager handed to this process, stored earlier or listening sockets of the unit.
  // Close-on-exec. Empty the second time.
  std::vector<StoredFd> TakeStoredFds() { return std::move(stored_); }

 private:
  absl::Status Send(std::string_view message, int fd = -1);

  absl::Status address_error_;
  sockaddr_un address_{};
  socklen_t address_bytes_ = 0;  // 0: no manager
  UniqueFd socket_;
  std::optional<Nanos> watchdog_interval_;
  std::vector<StoredFd> stored_;
};

}  // namespace procctl::node
