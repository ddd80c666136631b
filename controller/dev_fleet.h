// --dev: a fleet to try things out with, on loopback only, with a CA of its own.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/options.h"
#include "controller/rpc/server.h"

namespace procctl::controller {

class DevFleet {
 public:
  // Makes, or takes up again, CA and certificates below options.dev_state or in a new temporary
  // folder (0700). INVALID_ARGUMENT for an address that is not loopback: whoever is on the host
  // could read a throw-away key, nobody else shall need to.
  static absl::StatusOr<DevFleet> Make(const Options& options);

  DevFleet(DevFleet&& other) noexcept;
  DevFleet& operator=(DevFleet&&) = delete;
  // Removes a temporary folder.
  ~DevFleet();

  const ServerOptions& server() const { return server_; }

  // What to type next, for people and scripts.
  std::string Instructions(const std::string& address) const;

 private:
  DevFleet() = default;

  std::string dir_;
  bool temporary_ = false;
  std::vector<std::string> nodes_;
  ServerOptions server_;
};

}  // namespace procctl::controller
